"""`manage.py retry_failed BATCH_ID`: run a batch's failed lines again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from batches.models import BatchJob
from batches.orders import RetryOrder
from batches.retry_actions import retry
from batches.retrying import CAUSES
from vllm_batch.lib.errors import ApiError


class Command(BaseCommand):
    """Run the failed lines of a batch again."""

    help = "Run a batch's failed lines again; the last line printed is the new batch."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("batch_id", help="a batch that has ended")
        parser.add_argument(
            "--cause", action="append", choices=CAUSES, help="only these; repeatable"
        )
        parser.add_argument(
            "--custom-id", action="append", help="only these lines; repeatable"
        )
        parser.add_argument(
            "--merge", action="store_true", help="put the other results in too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the new batch, and say its id."""
        parent = BatchJob.objects.filter(pk=options["batch_id"]).first()
        if parent is None:
            raise CommandError(f"There is no batch {options['batch_id']}.")
        order = RetryOrder(
            causes=tuple(options["cause"]) if options["cause"] else None,
            custom_ids=tuple(options["custom_id"]) if options["custom_id"] else None,
            is_merged=options["merge"],
        )
        try:
            batch = retry(parent, order)
        except ApiError as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(batch.pk)
