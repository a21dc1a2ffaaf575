"""One GPU slot from inside: its warm engines, their swaps, pauses and signs of life."""
