"""The monitoring app."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """What the outside may ask about the system's health."""

    name = "monitoring"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_monitoring"
    verbose_name = "Monitoring"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Start Sentry where it is wanted, in every process alike."""
        from monitoring import sentry
        from vllm_batch.lib.conf import conf

        sentry.start(conf())
