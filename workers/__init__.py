"""Engines and the processes that run batches on them."""
