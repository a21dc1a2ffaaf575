"""`manage.py purge_expired`: free storage now, as the ops queue does each minute."""

from typing import Any

from django.core.management.base import BaseCommand

from batches.purging import purge_files
from batches.segments import purge_ended
from batches.tasks import purge
from files.reserve import free_bytes


class Command(BaseCommand):
    """Delete what is expired, deleted, ended or litter."""

    help = (
        "Free the storage of deleted and expired files, of ended batches' segments and"
        " of litter. The ops queue does this once a minute by itself."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Purge until nothing more is found and say what was freed."""
        before = free_bytes()
        purge()
        while purge_files() or purge_ended():
            pass  # each call takes a limited number
        after = free_bytes()
        if before is None or after is None:
            self.stdout.write("Purged; the storage does not tell its free space.")
        else:
            self.stdout.write(f"Purged: {after - before} bytes more are free.")
