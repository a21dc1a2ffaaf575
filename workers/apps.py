"""The workers app."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Engines and the processes that run batches on them."""

    name = "workers"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_workers"
    verbose_name = "Workers"
    default_auto_field = "django.db.models.BigAutoField"
