"""Debian's Redis, which speaks as Valkey does, on a free port; it keeps nothing."""

import os
import shutil
import tempfile
from pathlib import Path

from tests.rig import debian
from tests.rig.ports import free_port
from tests.rig.process import Process


def find_redis() -> str:
    """Return the server's program, installing it if need be; empty if there is none."""
    return debian.find("redis-server", "redis-server")


class Redis:
    """One server that may be stopped and started again at its address."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="redis."))
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: Process | None = None

    def start(self) -> "Redis":
        """Start it and wait until it answers."""
        command = [self._program, "--port", str(self._port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--dir", str(self._folder)]
        log = self._folder / "log"
        process = Process("redis", command, env=os.environ, log=log)
        self._process = process.start()
        self._process.wait_for("Ready to accept connections")
        return self

    def kill(self) -> None:
        """End it at once, with all it had counted."""
        if self._process is not None:
            self._process.kill()
            self._process.stop()

    def remove(self) -> None:
        """End it and delete its folder."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
