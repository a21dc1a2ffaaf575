"""Backups: the database of one moment, and every stored file that its rows name."""
