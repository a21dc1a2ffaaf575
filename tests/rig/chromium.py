"""Debian's Chromium, for the tests that look at pages as people do."""

import shutil

from tests.rig import debian

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
    if _found() is None:
        debian.install("chromium", "fonts-dejavu-core")
    return _found()


def _found() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
