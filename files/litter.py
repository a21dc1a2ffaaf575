"""Clear away what broken-off uploads and finalizers left behind."""

import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings

# The prefixes of our own temporary files; the folder may belong to others too.
PREFIXES = ("upload-", "final-")
OLD_SECONDS = 86_400


def purge_incoming() -> int:
    """Delete temporary files that nobody has written to for a day."""
    count = 0
    limit = time.time() - OLD_SECONDS
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*"):
        if not path.name.startswith(PREFIXES):
            continue
        with suppress(FileNotFoundError):  # somebody else was faster
            if path.stat().st_mtime < limit:
                path.unlink()
                count += 1
    return count
