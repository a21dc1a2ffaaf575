"""Processes that tests start: each in a group of its own, with its log in a file."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """One process and its children."""

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path = ROOT,
    ):
        self.name = name
        self.command = command
        self.env = dict(env)
        self.log = log
        self.cwd = cwd
        self.popen: subprocess.Popen[bytes] | None = None
        # Where its own output starts: an earlier process may have used the log.
        self._start = log.stat().st_size if log.exists() else 0

    def start(self) -> "Process":
        """Start it; its output is appended to the log."""
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(
                self.command,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        """The process id; it is also the group's."""
        assert self.popen is not None
        return self.popen.pid

    @property
    def is_alive(self) -> bool:
        """Tell whether the process itself still runs."""
        return self.popen is not None and self.popen.poll() is None

    def output(self) -> str:
        """Return what it has printed so far."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self._start :].decode(errors="replace")

    def wait_for(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Wait until the output has the pattern."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            if found := re.search(pattern, self.output()):
                return found
            if not self.is_alive:
                break
            time.sleep(0.05)
        raise AssertionError(f"{self.name} never said {pattern!r}:\n{self.output()}")

    def stop(self, seconds: float = 90) -> int:
        """Ask it to end, wait, then end whatever is left of its group."""
        assert self.popen is not None
        if self.is_alive:
            self.popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)
        self.kill()
        return self.popen.wait()

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Send a signal to the whole group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signum)
