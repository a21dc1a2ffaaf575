"""Statistics of votes. Pure: counts in, numbers out; no database, no dependency.

Small exact code instead of scipy: the inputs are counts, so even a hundred thousand
reviews are a few numbers here.
"""
