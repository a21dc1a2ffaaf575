"""What processes ask of the kernel, in order: writes, syncs, names, queries."""

import re
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig import debian

CALLS = "write,pwrite64,writev,fsync,fdatasync,link,linkat,rename,renameat,renameat2"
TALKS = "sendto,sendmsg"
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(.*)$")
_PATH = re.compile(r'<([^<>]+)>|"([^"]*)"')


@dataclass(frozen=True)
class Call:
    """A system call that succeeded, by a thread; paths in the order they appear."""

    thread: int
    name: str
    text: str

    @property
    def paths(self) -> list[str]:
        """The files it names."""
        found = (first or second for first, second in _PATH.findall(self.text))
        return [path for path in found if path.startswith("/")]

    @property
    def changes_database(self) -> bool:
        """Tell whether it sends a statement that makes something visible."""
        return self.name in ("sendto", "sendmsg") and bool(
            re.search(r"INSERT|UPDATE|COMMIT", self.text)
        )


class Strace:
    """A trace of running processes and whatever they start."""

    def __init__(self, pids: Sequence[int], log: Path) -> None:
        self._log = log
        flags = ["-f", "-q", "-yy", "-s", "4096", "-e", f"trace={CALLS},{TALKS}"]
        flags += [part for pid in pids for part in ("-p", str(pid))]
        self._process = subprocess.Popen(
            ["strace", *flags, "-o", str(log)], stderr=subprocess.PIPE, text=True
        )
        time.sleep(1)
        if self._process.poll() is not None:
            raise PermissionError(self._process.communicate()[1])

    def stop(self) -> list[Call]:
        """Let go of the processes and return what they did."""
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=20)
        return list(_calls(self._log.read_text(errors="replace").splitlines()))


def has_strace() -> bool:
    """Tell whether strace is here, installing it where that is allowed."""
    return bool(debian.find("strace", "strace"))


def _calls(lines: Sequence[str]) -> list[Call]:
    """Put calls that were interrupted together; one counts where it ends."""
    found: list[Call] = []
    begun: dict[int, str] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        thread, name, rest = int(match[1]), match[2], match[3]
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>")
            continue
        text = begun.pop(thread, "") + rest
        if "= -1" not in text:
            found.append(Call(thread, name, text))
    return found
