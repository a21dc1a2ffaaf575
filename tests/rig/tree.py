"""Find a worker's processes by what they are, and send them signals by pid."""

import os
import signal
import time
from contextlib import suppress

from workers.supervising import family
from workers.supervising.family import Member

ROLES = ("keeper", "main", "sentinel", "worker", "monitor", "pusher")


class Tree:
    """The processes below one `runworker`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def members(self) -> list[Member]:
        """Return all that descend from it now."""
        return [m for m in family.descendants(self.pid) if not m.is_zombie]

    def of(self, cluster: str, role: str) -> list[Member]:
        """Return the processes of a cluster that have a role."""
        keepers = [m for m in self.members() if m.parent == self.pid]
        keepers = [m for m in keepers if f".{cluster}.json" in m.title]
        if role == "keeper":
            return keepers
        mains = _children(keepers)
        if role == "main":
            return mains
        sentinels = _children(mains)
        if role == "sentinel":
            return sentinels
        titles = {"worker": ("idle", "processing")}.get(role, (role,))
        return [
            member
            for member in _children(sentinels)
            if len(words := member.title.split()) > 2 and words[2] in titles
        ]

    def one(self, cluster: str, role: str, seconds: float = 20) -> Member:
        """Return a process, waiting until it is there."""
        ends_at = time.monotonic() + seconds
        while not (found := self.of(cluster, role)):
            assert time.monotonic() < ends_at, f"no {role} of {cluster}"
            time.sleep(0.05)
        return found[0]

    def wait_until_complete(self, seconds: float = 30) -> None:
        """Wait until both clusters have all their processes."""
        for cluster in ("gpu", "ops"):
            for role in ROLES:
                self.one(cluster, role, seconds)


def _children(parents: list[Member]) -> list[Member]:
    pids = {parent.pid for parent in parents}
    found = [child for pid in pids for child in family.descendants(pid)]
    return [m for m in found if m.parent in pids and not m.is_zombie]


def kill(member: Member, signum: int = signal.SIGKILL) -> bool:
    """Signal a process, if it is still the same one."""
    if not family.is_there(member):
        return False
    with suppress(ProcessLookupError):
        os.kill(member.pid, signum)
        return True
    return False


def wait_until_gone(members: list[Member], seconds: float) -> list[Member]:
    """Wait for the end of processes and return those that are left."""
    ends_at = time.monotonic() + seconds
    while (left := [m for m in members if family.is_there(m)]) and (
        time.monotonic() < ends_at
    ):
        time.sleep(0.02)
    return left
