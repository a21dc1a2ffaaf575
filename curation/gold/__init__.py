"""The gold set: run a model on it, and find where it falls behind."""
