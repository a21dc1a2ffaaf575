"""Review of results, and the training data made of it."""
