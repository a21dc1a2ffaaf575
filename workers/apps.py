"""The workers app."""

import os

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Engines and the processes that run batches on them."""

    name = "workers"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_workers"
    verbose_name = "Workers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """In a worker's process: let no forked child outlive its parent."""
        if os.environ.get("RUNWORKER_CHILD"):
            from workers.lifeline import end_with_parent

            end_with_parent()
            os.register_at_fork(after_in_child=end_with_parent)
