"""The shop's app for answers of models."""

from django.apps import AppConfig


class AnswersConfig(AppConfig):
    """Answers; vLLM Batch finds `result_handlers.py` here by itself."""

    name = "shop.answers"
