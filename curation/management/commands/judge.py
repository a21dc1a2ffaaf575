"""`manage.py judge QUEUE --model NAME`: let a model compare first."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.exceptions import CurationError
from curation.judging.actions import judge
from curation.models import Queue


class Command(BaseCommand):
    """Ask a judge model about a queue's open tasks, each pair in both orders."""

    help = "Let a model judge a queue's open tasks; the last line printed is the batch."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("queue", help="the queue's name")
        parser.add_argument("--model", required=True, help="a served model")
        parser.add_argument("--project", help="needed if several have such a queue")
        parser.add_argument("--instructions", default="", help="what counts here")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the run and print its batch."""
        queues = Queue.objects.filter(name=options["queue"]).select_related("project")
        if options["project"]:
            queues = queues.filter(project__name=options["project"])
        found = list(queues[:2])
        if len(found) != 1:
            what = "several queues; name the --project" if found else "no queue"
            raise CommandError(f"There is {what} called '{options['queue']}'.")
        try:
            run = judge(found[0], options["model"], options["instructions"])
        except CurationError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{run.model} judges {run.task_count} tasks in the batch")
        self.stdout.write(str(run.batch_id))
