"""`manage.py replay_handlers`: run result handlers again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from batches.handlers.registry import find_handlers
from batches.handlers.replaying import replay_runs
from batches.models import BatchJob


class Command(BaseCommand):
    """Run handlers again that gave up, or all those of the batches named."""

    help = (
        "Run result handlers again that gave up. With batches named: run them for these"
        " batches, whatever became of them, and those that did not exist then."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument(
            "batches", nargs="*", metavar="BATCH", help="ids of batches"
        )
        parser.add_argument("--handler", default="", help="this handler only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay and say how many runs there will be."""
        name, ids = options["handler"], options["batches"]
        if name and name not in find_handlers():
            known = ", ".join(sorted(find_handlers())) or "none"
            raise CommandError(f"There is no handler '{name}'. There are: {known}.")
        batches = BatchJob.objects.filter(pk__in=ids)
        found = {batch.pk: batch.is_terminal for batch in batches}
        for batch_id in ids:
            if not found.get(batch_id):
                raise CommandError(f"No batch with the id '{batch_id}' has ended.")
        count = replay_runs(batches if ids else None, name)
        self.stdout.write(f"{count} handler runs were queued.")
