"""Watching a GPU slot from outside: its processes, their start, death and restart."""
