"""`manage.py diff_datasets A@1 A@2`: what differs, example by example."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.datasets.differences import differences
from curation.datasets.errors import DatasetError
from curation.datasets.naming import find_version


class Command(BaseCommand):
    """Print examples that are new (+), gone (-) or in another split (~)."""

    help = "Compare two versions of datasets; the last line printed counts."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("old", help="NAME@NUMBER")
        parser.add_argument("new", help="NAME@NUMBER")
        parser.add_argument("--project", help="needed if several have such datasets")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the differences."""
        try:
            old = find_version(options["old"], options["project"])
            new = find_version(options["new"], options["project"])
        except DatasetError as error:
            raise CommandError(str(error)) from error
        counts: Counter[str] = Counter()
        for one in differences(old, new):
            counts[one.sign] += 1
            self.stdout.write(str(one))
        said = f"{counts['+']} new, {counts['-']} gone, {counts['~']} moved"
        self.stdout.write(said)
