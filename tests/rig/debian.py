"""Debian's packages, for tests that need the real program."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_INSTALL = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")


def install(*packages: str) -> None:
    """Install packages where that is allowed; whoever asks looks what came of it.

    No service is started by it.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    # Tests run beside each other, and apt-get does not wait for itself.
    with Path(tempfile.gettempdir(), "vllm-batch.apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(packages)


def _install(packages: tuple[str, ...]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    environment = {**os.environ, **quiet}
    for command in (("apt-get", "update", "-qq"), (*_INSTALL, *packages)):
        subprocess.run(command, check=False, env=environment, stdout=sys.stderr)


def find(program: str, package: str) -> str:
    """Return a program's path, installing its package if need be; empty: it is not."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    if not shutil.which(program, path=path):
        install(package)
    return shutil.which(program, path=path) or ""
