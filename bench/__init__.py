"""Benchmarks: `python -m bench` prints ratios, measured in one interleaved run."""
