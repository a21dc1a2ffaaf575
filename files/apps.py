"""The files app."""

from django.apps import AppConfig


class FilesConfig(AppConfig):
    """Uploaded and produced files."""

    name = "files"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_files"
    verbose_name = "Files"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from files import checks  # noqa: F401
