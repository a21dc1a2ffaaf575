"""`manage.py verify_dataset NAME[@N]`: prove that a version is what was frozen."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.datasets.errors import DatasetError
from curation.datasets.naming import find_version, name_of
from curation.datasets.verifying import verify


class Command(BaseCommand):
    """Recompute a version's hashes; exit code 1 if anything was changed."""

    help = "Recompute every hash of a dataset's version; names what was changed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("name", help="NAME or NAME@NUMBER; the newest without")
        parser.add_argument("--project", help="needed if several have such a dataset")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, and say how it went."""
        try:
            version = find_version(options["name"], options["project"])
        except DatasetError as error:
            raise CommandError(str(error)) from error
        proof = verify(version)
        if not proof.is_intact:
            more = proof.fault_count - len(proof.faults)
            lines = [*proof.faults, *([f"and {more} more"] if more else [])]
            raise CommandError(f"{name_of(version)} is damaged:\n" + "\n".join(lines))
        self.stdout.write(f"{name_of(version)} is intact: {proof.members} members,")
        self.stdout.write(proof.manifest_sha256)
