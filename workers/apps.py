"""The workers app."""

import os
from typing import Any

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Engines and the processes that run batches on them."""

    name = "workers"
    # Prefixed, so that the app fits into a project with an app of the same name.
    label = "vllm_workers"
    verbose_name = "Workers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """In a worker's process: no fork outlives its parent, no engine has a twin."""
        if not os.environ.get("RUNWORKER_CHILD"):
            return
        from workers.supervising.lifeline import tie_forks

        tie_forks()
        if os.environ.get("Q_CLUSTER_NAME") == "gpu":
            from django_q.signals import post_spawn

            # Sent in each new worker process, before its first task.
            post_spawn.connect(_start_only_once, dispatch_uid="vllm_workers")


def _start_only_once(**details: Any) -> None:
    from vllm_batch.lib.faultpoints import fault
    from workers.supervising.keeper import TICKET
    from workers.supervising.lifeline import wait_without_ticket

    if ticket := os.environ.get(TICKET):
        wait_without_ticket(int(ticket))
    fault("worker.started")
