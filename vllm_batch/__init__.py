"""The OpenAI Files and Batch APIs over a team's own GPUs."""

__version__ = "0.1.0"
