"""`manage.py restore`: bring a backup back into an empty installation."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from batches.backups.exceptions import BackupRefused
from batches.backups.restoring import restore


class Command(BaseCommand):
    """Restore a backup."""

    help = "Restore a backup into an empty database and an empty DATA_DIR."
    # The database has no tables yet.
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("folder", type=Path, help="what `backup` has made")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check it, restore it and say what to do next."""
        try:
            manifest = restore(options["folder"])
        except (BackupRefused, OSError) as error:
            raise CommandError(f"The backup was not restored: {error}") from error
        self.stdout.write(
            f"Restored the database of {manifest.taken_at} and"
            f" {len(manifest.stored)} files. Run `manage.py migrate`, then start the"
            " server and the workers."
        )
