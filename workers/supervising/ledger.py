"""A file that names a cluster's processes, for the case that its keeper is killed.

Usually the ties in `lifeline` suffice. But if runworker and keeper are killed in one
moment, an engine that left its group would live on: the next keeper ends it first.
"""

import json
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from workers.supervising import family
from workers.supervising.family import Member

logger = logging.getLogger("workers.supervising.ledger")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_WAIT_SECONDS = 0.02


class Ledger:
    """The processes of one cluster, in a file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._noted: set[tuple[int, int]] = set()

    def note(self, members: list[Member]) -> None:
        """Write down which processes there are, if others are there than before."""
        now = {(member.pid, member.started) for member in members}
        if now == self._noted:
            return
        self._noted = now
        beside = self._path.with_suffix(".new")
        try:
            beside.write_text(json.dumps({"boot": _boot(), "processes": sorted(now)}))
            os.replace(beside, self._path)
        except OSError as error:
            # A full disk is no reason to end an engine that works.
            logger.warning("processes could not be noted in %s: %s", self._path, error)

    def end_all(self) -> None:
        """End what an earlier keeper left, and wait until it is gone."""
        left = self._read()
        while left := [member for member in left if family.is_there(member)]:
            family.end(left)
            time.sleep(_WAIT_SECONDS)

    def clear(self) -> None:
        """Forget everything: nothing is left."""
        with suppress(OSError):
            self._path.unlink()

    def _read(self) -> list[Member]:
        try:
            noted = json.loads(self._path.read_text())
            if noted["boot"] != _boot():
                return []
            pairs = [(int(pid), int(started)) for pid, started in noted["processes"]]
        except (OSError, ValueError, LookupError, TypeError):
            return []
        return [
            Member(pid=pid, started=started, parent=0, is_zombie=False)
            for pid, started in pairs
        ]


def _boot() -> str:
    """Return what tells this boot of the machine from others."""
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
