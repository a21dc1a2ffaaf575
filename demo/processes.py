"""The demo's processes: in groups of their own, and gone when the demo is."""

import ctypes
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Processes:
    """Starts processes and ends them all, whatever happens to the demo."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self._env = env
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> None:
        """Start a process; its output goes to `name`.log."""
        with open(self.log(name), "wb") as output:
            self._running[name] = subprocess.Popen(
                command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def log(self, name: str) -> Path:
        """Return where a process's output is."""
        return self._folder / f"{name}.log"

    def check(self) -> None:
        """Raise SystemExit with the log's end if a process has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                tail = self.log(name).read_text(errors="replace")[-3000:]
                raise SystemExit(f"{tail}\n\nThe {name} ended; its log is above.")

    def stop(self, seconds: float = 75) -> None:
        """Ask every process to end, wait, then end what is left."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        ends_at = time.monotonic() + seconds
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, ends_at - time.monotonic()))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()


def _end_with_parent() -> None:
    """In the child: ask the kernel for SIGTERM when the demo dies, even by SIGKILL."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
