"""The process that stands over one queue cluster and leaves nothing of it behind.

    runworker ══ lifeline ══▶ keeper ─▶ qcluster ─▶ sentinel ─▶ worker ─▶ engine
                                                            └─▶ monitor, pusher

It ends the whole cluster when the lifeline closes (runworker asks for it, or died),
when django-q2's main process ends, and when a process vanishes without which
django-q2 would look well but do nothing (reliability §2.2). It is over only when the
kernel says that no descendant is left, so whoever waits for it may start the next
engine. It imports no Django and asks no database: neither can hold it up.
"""

import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from vllm_batch.lib.logs import log_without_django
from workers.supervising import family
from workers.supervising.births import BIRTHS, Birth, Births
from workers.supervising.family import Member
from workers.supervising.ledger import Ledger
from workers.supervising.lifeline import adopt_orphans, make_ticket

logger = logging.getLogger("workers.supervising.keeper")

DRAIN = b"d"
TICKET = "RUNWORKER_TICKET"
LOOK_SECONDS = 0.25
# The same while a process has yet to say by its title what it is.
QUICK_LOOK_SECONDS = 0.05
ENDING_SECONDS = 0.02
COMPLAINT_SECONDS = 5.0
# From the start until all of django-q2's processes are there.
START_SECONDS = 120.0
VANISHED = 70
NEWBORN = "newborn process"


class Watch:
    """Notices that a process has vanished which its cluster cannot do without."""

    def __init__(self) -> None:
        self.is_draining = False
        self._vital: dict[Member, str] = {}
        self._missed = 0
        self._start_ends_at = time.monotonic() + START_SECONDS

    @property
    def is_unsure(self) -> bool:
        """Tell whether a process has yet to say what it is."""
        return NEWBORN in self._vital.values()

    def look(
        self, members: list[Member], main: int, births: Sequence[Birth] = ()
    ) -> str:
        """Return what has vanished since the last look, or an empty string.

        `births` are older than `members`: who is only there has died meanwhile.
        """
        living = {member for member in members if not member.is_zombie}
        gone = [role for member, role in self._vital.items() if member not in living]
        gone += _stillborn(births, living, main)
        self._vital = {
            member: role
            for member in living
            if (role := self._known(member) or _role(member, living, main))
        }
        if not self.is_draining:
            # Killed at birth, it may take a lock along that main waits for.
            gone += ["sentinel" for m in members if m.is_zombie and m.parent == main]
            return gone[0] if gone else self._late_to_start()
        # Workers end while it drains. Without the sentinel, main would wait for ever.
        is_headless = "sentinel" not in self._vital.values()
        self._missed = self._missed + 1 if is_headless else 0
        return "sentinel" if self._missed > 2 else ""

    def _known(self, member: Member) -> str:
        """Return what a process was, for good: a worker may change its title."""
        role = self._vital.get(member, "")
        return "" if role == NEWBORN else role

    def _late_to_start(self) -> str:
        if "sentinel" in self._vital.values():
            return ""
        return "start" if time.monotonic() > self._start_ends_at else ""


def _role(member: Member, living: set[Member], main: int) -> str:
    """Return what a process is, if the cluster cannot do without it.

    django-q2 writes it into the title. Before that, a process may hold the ticket, or
    be about to hold a lock. A pusher is replaced by the sentinel without harm.
    """
    if member.parent == main:
        return "sentinel"
    if member.parent not in _sentinels(living, main):
        return ""
    words = member.title.split()
    roles = {"idle": "worker", "processing": "worker", "monitor": "monitor"}
    if "pusher" in words[2:3]:
        return ""
    return roles.get(words[2], NEWBORN) if len(words) > 2 else NEWBORN


def _stillborn(births: Sequence[Birth], living: set[Member], main: int) -> list[str]:
    """Return what was born and has died before anybody saw it."""
    sentinels, pids = _sentinels(living, main), {one.pid for one in living}
    parents = {main: "sentinel", **dict.fromkeys(sentinels, NEWBORN)}
    dead = [birth.parent for birth in births if birth.pid not in pids]
    return [parents[parent] for parent in dead if parent in parents]


def _sentinels(living: set[Member], main: int) -> set[int]:
    return {one.pid for one in living if one.parent == main}


class Keeper:
    """Starts a command, watches it, and ends it with all its descendants."""

    def __init__(self, lifeline: int, ledger: Ledger) -> None:
        self._lifeline = lifeline
        self._ledger = ledger
        self._watch = Watch()
        self._births = Births()

    def run(self, command: list[str], descriptors: list[int]) -> int:
        """Run until the command's end, and return the exit status."""
        adopt_orphans()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Only the lifeline commands; the group may be sent any signal.
            signal.signal(signum, _pass_over)
        self._ledger.end_all()
        ticket = make_ticket()
        self._main = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            pass_fds=[ticket, self._births.write_end, *descriptors],
            env={**os.environ, TICKET: str(ticket), BIRTHS: self._births.address},
            start_new_session=True,
        )
        try:
            return self._stand_by()
        finally:
            self._end_all()
            self._ledger.clear()

    def _stand_by(self) -> int:
        while True:
            if self._lifeline in self._wait():
                if not os.read(self._lifeline, 1):
                    return 0
                self._drain()
            if (status := self._main.poll()) is not None:
                return abs(status)
            births = self._births.take()
            members = family.descendants(os.getpid())
            self._ledger.note(members)
            self._reap(members)
            if role := self._watch.look(members, self._main.pid, births):
                logger.error("its %s vanished: ending all of the cluster", role)
                return VANISHED

    def _wait(self) -> list[int]:
        """Wait for the next look, an order or a birth; return what can be read."""
        seconds = QUICK_LOOK_SECONDS if self._watch.is_unsure else LOOK_SECONDS
        return select.select([self._lifeline, self._births.read_end], [], [], seconds)[
            0
        ]

    def _drain(self) -> None:
        """Ask the cluster to end after its running tasks.

        Only its main process is told: a signal to the whole group breaks off tasks
        and hangs the cluster (reliability §2.2).
        """
        self._watch.is_draining = True
        self._main.terminate()

    def _reap(self, members: list[Member]) -> None:
        """Take leave of adopted processes that have ended."""
        for member in members:
            is_ours = member.parent == os.getpid() and member.pid != self._main.pid
            if is_ours and member.is_zombie:
                with suppress(ChildProcessError):
                    os.waitpid(member.pid, os.WNOHANG)

    def _end_all(self) -> None:
        """Kill until the kernel knows of no child: all the others were adopted."""
        complain_at = time.monotonic() + COMPLAINT_SECONDS
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._main.pid, signal.SIGKILL)
        while True:
            members = family.descendants(os.getpid())
            family.end(members)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            if time.monotonic() > complain_at:
                complain_at += COMPLAINT_SECONDS
                logger.error("still there: %s", [member.pid for member in members])
            time.sleep(ENDING_SECONDS)


def _pass_over(signum: int, frame: FrameType | None) -> None:
    """Do nothing; unlike SIG_IGN, a function is not inherited by programs started."""


def main() -> int:
    """Run as `keeper LIFELINE LEDGER DESCRIPTORS COMMAND …`."""
    lifeline, ledger, descriptors, *command = sys.argv[1:]
    log_without_django()
    keeper = Keeper(int(lifeline), Ledger(ledger))
    return keeper.run(command, [int(number) for number in descriptors.split()])


if __name__ == "__main__":
    sys.exit(main())
