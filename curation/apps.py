"""The curation app."""

from django.apps import AppConfig


class CurationConfig(AppConfig):
    """Review of results, and the training data made of it."""

    name = "curation"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_curation"
    verbose_name = "Curation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Check the exporters."""
        from curation import checks  # noqa: F401 - registers them
