"""The processes a GPU slot is made of: queue clusters, each in a group of its own."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
HEALTHY_SECONDS = 60.0


class Cluster:
    """One `manage.py qcluster`, started again with growing pauses when it ends."""

    def __init__(self, name: str, extra: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.started_at = 0.0
        self._extra = dict(extra or {})
        self._descriptors: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._not_before = 0.0

    @property
    def is_alive(self) -> bool:
        """Tell whether the cluster's main process runs."""
        return self._process is not None and self._process.poll() is None

    def inherit(self, variable: str, descriptor: int) -> None:
        """Let the cluster have an open file; `variable` tells it which."""
        self._extra[variable] = str(descriptor)
        self._descriptors.append(descriptor)

    def start(self) -> None:
        """Start the cluster, unless it ended so recently that it has to wait."""
        if time.monotonic() < self._not_before:
            return
        self.started_at = time.monotonic()
        command = [sys.executable, *_manage(), "qcluster"]
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            env={
                **os.environ,
                **self._extra,
                "Q_CLUSTER_NAME": self.name,
                "RUNWORKER_CHILD": "1",
                # Its processes fork, and psycopg's pool does not survive a fork.
                "DATABASE_POOL": "false",
                "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
            },
            pass_fds=self._descriptors,
            start_new_session=True,
        )

    def note_end(self) -> None:
        """Clear away what an ended cluster left, and plan its next start."""
        if self._process is None:
            return
        logger.warning("the %s cluster ended (%s)", self.name, self._process.poll())
        lived = time.monotonic() - self.started_at
        self._pause = (
            FIRST_PAUSE_SECONDS
            if lived > HEALTHY_SECONDS
            else min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        )
        self._not_before = time.monotonic() + self._pause
        self.kill()

    def terminate(self) -> None:
        """Ask the cluster to end after its running tasks.

        Only its main process is told: a signal to the whole group breaks off tasks
        and hangs the cluster (reliability §2.2).
        """
        if self.is_alive and self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End every process of the group at once, engines included."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


def _manage() -> list[str]:
    """Return how this very process was told to run commands."""
    script = sys.argv[0]
    if script.endswith("manage.py") and os.path.exists(script):
        return [os.path.abspath(script)]
    return ["-m", "django"]
