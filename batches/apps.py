"""The batches app."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    """Batches: validated, planned, finalized."""

    name = "batches"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_batches"
    verbose_name = "Batches"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find the result handlers of all apps, and check them."""
        from batches import checks  # noqa: F401 - registers them
        from batches.handlers.registry import autodiscover

        autodiscover()
