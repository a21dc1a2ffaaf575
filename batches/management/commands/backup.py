"""`manage.py backup`: the database and all stored files, while everything runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from batches.backups.exceptions import BackupRefused
from batches.backups.taking import take


class Command(BaseCommand):
    """Take a backup."""

    help = "Back up the database and every stored file into a new folder."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("folder", type=Path, help="must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take it and say what it holds."""
        try:
            manifest = take(options["folder"])
        except (BackupRefused, OSError) as error:
            raise CommandError(f"No backup was made: {error}") from error
        self.stdout.write(
            f"{options['folder']}: the {manifest.database} database of"
            f" {manifest.taken_at}, {len(manifest.stored)} files,"
            f" {manifest.bytes} bytes."
        )
