"""How a keeper hears of each process in its cluster, before that does any work.

A process that is born and killed between two looks would leave nothing to see: neither
itself nor, once it is reaped, its end. So each fork writes its number into a pipe first
of all. No Django here: the keeper uses this too.
"""

import os
import stat
import struct
from contextlib import suppress
from dataclasses import dataclass

BIRTHS = "RUNWORKER_BIRTHS"
_RECORD = struct.Struct("ii")


@dataclass(frozen=True)
class Birth:
    """A process that was forked, and by which."""

    pid: int
    parent: int


class Births:
    """The keeper's pipe; forks inherit its other end."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        # Nobody waits: a full pipe costs an announcement, no work.
        os.set_blocking(self.read_end, False)
        os.set_blocking(self.write_end, False)

    @property
    def address(self) -> str:
        """What a fork needs to find the pipe, for its environment."""
        return f"{self.write_end}:{os.fstat(self.write_end).st_ino}"

    def take(self) -> list[Birth]:
        """Return the births since the last call."""
        try:
            data = os.read(self.read_end, 1 << 16)
        except BlockingIOError:
            return []
        return [Birth(*pair) for pair in _RECORD.iter_unpack(data)]


def announce() -> None:
    """Tell the keeper, if there is one, that this process was forked."""
    descriptor, _, inode = os.environ.get(BIRTHS, "").partition(":")
    with suppress(OSError, ValueError):
        # A program started anew may have something else under that number.
        found = os.fstat(int(descriptor))
        if stat.S_ISFIFO(found.st_mode) and found.st_ino == int(inode):
            os.write(int(descriptor), _RECORD.pack(os.getpid(), os.getppid()))
