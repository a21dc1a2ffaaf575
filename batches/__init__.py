"""Batches: validated, planned, finalized."""
