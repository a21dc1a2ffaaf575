"""The operator's console: the admin's front page, batches, their lines, new batches."""
