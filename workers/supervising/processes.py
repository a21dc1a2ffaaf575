"""The processes a GPU slot is made of: queue clusters, each under a keeper."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from vllm_batch.lib.conf import conf
from vllm_batch.lib.logs import FORMAT
from workers.metrics import RESTARTS
from workers.supervising import family
from workers.supervising.keeper import DRAIN

logger = logging.getLogger(__name__)

# A cluster that lived this long is started again at once, others after a pause.
HEALTHY_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
_ROOT = str(Path(__file__).resolve().parents[2])
_KEEPER = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    " from workers.supervising.keeper import main; sys.exit(main())"
)


class Cluster:
    """One `manage.py qcluster` under a keeper, started again when it ends.

    `ledger` is the file where its processes are noted.
    """

    def __init__(
        self, name: str, ledger: Path, extra: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.started_at = 0.0
        self._ledger = ledger
        self._extra = dict(extra or {})
        self._descriptors: list[int] = []
        self._keeper: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._pause = 0.0
        self._not_before = 0.0

    @property
    def is_alive(self) -> bool:
        """Tell whether the keeper runs: until it ends, something may be left."""
        return self._keeper is not None and self._keeper.poll() is None

    @property
    def is_ending(self) -> bool:
        """Tell whether it was asked to end at once and something is left."""
        return self.is_alive and self._lifeline is None

    @property
    def pid(self) -> int | None:
        """The keeper's process id."""
        return self._keeper.pid if self._keeper else None

    def has(self, pid: int) -> bool:
        """Tell whether a process belongs to the cluster."""
        if self._keeper is None:
            return False
        return any(one.pid == pid for one in family.descendants(self._keeper.pid))

    @property
    def is_busy(self) -> bool:
        """Tell whether all its workers have a task; django-q2 writes it in titles."""
        if self._keeper is None:
            return False
        titles = [one.title.split() for one in family.descendants(self._keeper.pid)]
        states = {words[2] for words in titles if len(words) > 2}
        return "processing" in states and "idle" not in states

    def inherit(self, descriptor: int, variable: str = "") -> None:
        """Let the cluster have an open file; `variable` tells it which."""
        if variable:
            self._extra[variable] = str(descriptor)
        self._descriptors.append(descriptor)

    def start(self) -> None:
        """Start the cluster, unless it ended so recently that it has to wait."""
        if time.monotonic() < self._not_before:
            return
        self.started_at = time.monotonic()
        read_end, self._lifeline = os.pipe()
        numbers = " ".join(str(number) for number in self._descriptors)
        keeper = [sys.executable, "-c", _KEEPER, _ROOT]
        arguments = [str(read_end), str(self._ledger), numbers]
        self._keeper = subprocess.Popen(  # noqa: S603 - our own command line
            [*keeper, *arguments, sys.executable, *_manage(), "qcluster"],
            env=self._environment(),
            pass_fds=[read_end, *self._descriptors],
            start_new_session=True,
        )
        os.close(read_end)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self._extra,
            "Q_CLUSTER_NAME": self.name,
            "RUNWORKER_CHILD": "1",
            FORMAT: conf().LOG_FORMAT,
            # Its processes fork, and psycopg's pool does not survive a fork.
            "DATABASE_POOL": "false",
            "DATABASE_STATEMENT_SECONDS": "0",
            "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
        }

    def note_end(self) -> None:
        """Take note of an end and plan the next start; pauses grow if it soon ended."""
        if self._keeper is None:
            return
        lived = time.monotonic() - self.started_at
        if lived > HEALTHY_SECONDS:
            self._pause = 0.0
        else:
            longer = max(2 * self._pause, FIRST_PAUSE_SECONDS)
            self._pause = min(longer, LONGEST_PAUSE_SECONDS)
        self._not_before = time.monotonic() + self._pause
        status = self._keeper.poll()
        logger.warning(
            "the %s cluster ended after %.1f s (%s)", self.name, lived, status
        )
        self.kill()
        self._keeper = None
        RESTARTS.labels(self.name).inc()

    def drain(self) -> None:
        """Ask the cluster to end after its running tasks."""
        if self._lifeline is not None:
            with suppress(BrokenPipeError):
                os.write(self._lifeline, DRAIN)

    def kill(self) -> None:
        """Ask for the end of every process at once, engines included; do not wait.

        The keeper sees the same when this process dies.
        """
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


def end_orphans(spare: Iterable[int]) -> bool:
    """End children that came from a dead keeper; tell whether none is left.

    `spare` are the children that are none.
    """
    orphans = [
        member
        for member in family.descendants(os.getpid())
        if member.parent == os.getpid() and member.pid not in set(spare)
    ]
    for orphan in orphans:
        family.end([orphan, *family.descendants(orphan.pid)])
        with suppress(ChildProcessError):
            os.waitpid(orphan.pid, os.WNOHANG)
    return not orphans


def _manage() -> list[str]:
    """Return how this very process was told to run commands."""
    script = sys.argv[0]
    if script.endswith("manage.py") and os.path.exists(script):
        return [os.path.abspath(script)]
    return ["-m", "django"]
