"""`manage.py run_gold --model NAME --project P`: try a model on the gold set."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Project
from curation.exceptions import CurationError
from curation.gold.actions import THRESHOLD, run_gold


class Command(BaseCommand):
    """Run a model on what has a gold answer; regressions become a queue."""

    help = "Run a model on the gold set; the last lines printed are the batches."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("--model", required=True, help="a served model")
        parser.add_argument("--project", required=True, help="its name")
        parser.add_argument(
            "--threshold",
            type=float,
            default=THRESHOLD,
            help="answers less alike than this, from 0 to 1, are regressions",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the runs and print their batches."""
        project = Project.objects.filter(name=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project '{options['project']}'.")
        try:
            runs = run_gold(project, options["model"], threshold=options["threshold"])
        except CurationError as error:
            raise CommandError(str(error)) from error
        count = sum(run.item_count for run in runs)
        self.stdout.write(f"{options['model']} answers {count} gold prompts in")
        for run in runs:
            self.stdout.write(str(run.batch_id))
