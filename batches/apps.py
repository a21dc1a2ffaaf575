"""The batches app."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    """Batches: validated, planned, finalized."""

    name = "batches"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_batches"
    verbose_name = "Batches"
    default_auto_field = "django.db.models.BigAutoField"
