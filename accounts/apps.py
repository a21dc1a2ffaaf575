"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may call the API: projects and their keys."""

    name = "accounts"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from accounts import checks  # noqa: F401
