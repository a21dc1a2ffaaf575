"""Debian's Chromium, for the tests that look at pages as people do."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Return the program, installing it if that is allowed; None if there is none."""
    if found := _found():
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        for command in (
            ["apt-get", "update", "-qq"],
            [*install, "chromium", "fonts-dejavu-core"],
        ):
            done = subprocess.run(command, env=environment, stdout=sys.stderr)
            if done.returncode:
                return None
    return _found()


def _found() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
