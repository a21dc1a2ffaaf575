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
from contextlib import suppress
from types import FrameType

from workers import family
from workers.family import Member
from workers.ledger import Ledger
from workers.lifeline import adopt_orphans, make_ticket

logger = logging.getLogger("workers.keeper")

DRAIN = b"d"
TICKET = "RUNWORKER_TICKET"
LOOK_SECONDS = 0.25
ENDING_SECONDS = 0.02
COMPLAINT_SECONDS = 5.0
# From the start until all of django-q2's processes are there.
START_SECONDS = 120.0
VANISHED = 70


class Watch:
    """Notices that a process has vanished which its cluster cannot do without."""

    def __init__(self) -> None:
        self.is_draining = False
        self._vital: dict[Member, str] = {}
        self._missed = 0
        self._start_ends_at = time.monotonic() + START_SECONDS

    def look(self, members: list[Member], main: int) -> str:
        """Return what has vanished since the last look, or an empty string."""
        living = {member for member in members if not member.is_zombie}
        gone = [role for member, role in self._vital.items() if member not in living]
        self._vital = {
            member: role
            for member in living
            if (role := self._vital.get(member) or _role(member, living, main))
        }
        if not self.is_draining:
            # Killed at birth, it may take a lock along that main waits for.
            gone += ["sentinel" for m in members if m.is_zombie and m.parent == main]
            return gone[0] if gone else self._late_to_start()
        # Workers end while it drains. Without the sentinel, main would wait for ever.
        is_headless = "sentinel" not in self._vital.values()
        self._missed = self._missed + 1 if is_headless else 0
        return "sentinel" if self._missed > 2 else ""

    def _late_to_start(self) -> str:
        if "sentinel" in self._vital.values():
            return ""
        return "start" if time.monotonic() > self._start_ends_at else ""


def _role(member: Member, living: set[Member], main: int) -> str:
    """Return what a process is, if the cluster cannot do without it.

    django-q2 writes it into the title. A process without a title yet holds no lock
    whose loss could hurt; a pusher is replaced by the sentinel without harm.
    """
    if member.parent == main:
        return "sentinel"
    parents = {one.pid for one in living if one.parent == main}
    words = member.title.split() if member.parent in parents else []
    if len(words) < 3 or words[0] != "qcluster":
        return ""
    return {"monitor": "monitor", "idle": "worker", "processing": "worker"}.get(
        words[2], ""
    )


class Keeper:
    """Starts a command, watches it, and ends it with all its descendants."""

    def __init__(self, lifeline: int, ledger: Ledger) -> None:
        self._lifeline = lifeline
        self._ledger = ledger
        self._watch = Watch()

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
            pass_fds=[ticket, *descriptors],
            env={**os.environ, TICKET: str(ticket)},
            start_new_session=True,
        )
        try:
            return self._stand_by()
        finally:
            self._end_all()
            self._ledger.clear()

    def _stand_by(self) -> int:
        while True:
            if select.select([self._lifeline], [], [], LOOK_SECONDS)[0]:
                if not os.read(self._lifeline, 1):
                    return 0
                self._drain()
            if (status := self._main.poll()) is not None:
                return abs(status)
            members = family.descendants(os.getpid())
            self._ledger.note(members)
            self._reap(members)
            if role := self._watch.look(members, self._main.pid):
                logger.error("its %s vanished: ending all of the cluster", role)
                return VANISHED

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
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s"
    )
    keeper = Keeper(int(lifeline), Ledger(ledger))
    return keeper.run(command, [int(number) for number in descriptors.split()])


if __name__ == "__main__":
    sys.exit(main())
