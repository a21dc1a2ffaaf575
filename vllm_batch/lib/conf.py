"""The typed door to the project's own settings."""

from django.conf import settings

from vllm_batch.environment import Environment


def conf() -> Environment:
    """Return the settings read at start (or what a test put in their place)."""
    return settings.VLLM_BATCH
