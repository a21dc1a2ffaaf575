"""Correct prompts and ask the same models again; old answers meet new ones."""
