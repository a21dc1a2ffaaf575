"""`manage.py preflight FILE.jsonl`: what a batch of this file would be like."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from batches.local_preflight import InvalidFile, look_at
from batches.preflight_text import as_text


class Command(BaseCommand):
    """Validate a file and look at its lines; nothing is stored and nothing runs."""

    help = "Validate a batch file and say what is to be expected of it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("file", type=Path, help="a batch file on this machine")
        parser.add_argument("--model", help="measure the lines for this model instead")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the report, or the file's faults."""
        try:
            report = look_at(options["file"], options["model"])
        except OSError as error:
            raise CommandError(
                f"{options['file']} could not be read: {error}"
            ) from error
        except InvalidFile as invalid:
            raise CommandError(str(invalid)) from invalid
        self.stdout.write(
            json.dumps(report, indent=2) if options["json"] else as_text(report)
        )
