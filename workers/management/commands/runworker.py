"""`manage.py runworker`: one GPU slot, with everything it needs."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vllm_batch.environment import SLOT_PATTERN
from vllm_batch.lib.conf import conf
from workers.scheduling.hours import BadHours, parse_hours
from workers.supervising.supervisor import Supervisor


class Command(BaseCommand):
    """Run batches on one GPU slot until told to stop."""

    help = (
        "Run the GPU worker and the ops queue of one slot. SIGTERM or Ctrl-C finishes"
        " the lines in flight, then ends."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument(
            "--slot",
            default=conf().WORKER_SLOT,
            help="name of the GPU slot (default: WORKER_SLOT)",
        )
        parser.add_argument(
            "--preload",
            default="",
            metavar="MODEL",
            help="load this model at once, before the first batch for it comes",
        )

        parser.add_argument(
            "--device",
            default=conf().WORKER_DEVICE,
            help="the GPU its engine sees: an index as in nvidia-smi, or a UUID"
            " (default: WORKER_DEVICE, or the number that ends the slot's name)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Supervise until the end."""
        slot = options["slot"]
        if not re.fullmatch(SLOT_PATTERN, slot):
            raise CommandError(
                f"'{slot}' is no name of a slot: use letters, digits, - _ and dots."
            )

        try:
            parse_hours(conf().WORKER_HOURS)
        except BadHours as error:
            raise CommandError(f"WORKER_HOURS: {error}") from error

        def say_working() -> None:
            self.stdout.write(f"slot {slot}: working; Ctrl-C stops")
            self.stdout.flush()

        Supervisor(slot, options["preload"], options["device"]).run(say_working)
        self.stdout.write(f"slot {slot}: stopped")
