"""What fault tests change inside the product's processes."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.utils import timezone


class RigConfig(AppConfig):
    """Shortens waits, shifts Django's clock, gives GPU workers an engine process."""

    name = "tests.rig"
    label = "rig"

    def ready(self) -> None:
        """Change what the environment asks for."""
        from django_q.signals import post_spawn

        from batches import tasks
        from batches.handlers import running
        from batches.handlers.webhook import delivering
        from workers.supervising import processes, supervisor, symptoms

        processes.LONGEST_PAUSE_SECONDS = 1.0
        symptoms.GRACE_SECONDS = 2.0
        supervisor.DATABASE_SECONDS = 5
        running.LEASE_SECONDS = delivering.LEASE_SECONDS = 4
        tasks.OPS_LEASE_SECONDS = int(os.environ.get("RIG_OPS_LEASE_SECONDS", "3"))
        if skew := int(os.environ.get("RIG_SKEW_SECONDS", "0")):
            real_now = timezone.now
            timezone.now = lambda: real_now() + timedelta(seconds=skew)
        if os.environ.get("Q_CLUSTER_NAME") == "gpu":
            # Sent in each worker process, before its first task.
            post_spawn.connect(start_engine_child, dispatch_uid="rig")


def start_engine_child(**signal: Any) -> None:
    """Start a process that only a careful supervisor takes away again."""
    script = Path(__file__).with_name("engine_child.py")
    folder, slot = os.environ["DATA_DIR"], os.environ["WORKER_SLOT"]
    subprocess.Popen([sys.executable, str(script), folder, slot])
