"""Queues mirrored in Label Studio: tasks go out, annotations come back.

`pushing.py` and `pulling.py` are the two ways; both may be cut off anywhere and run
again. Which remote row is which of ours stands in `ExternalLink`.
"""
