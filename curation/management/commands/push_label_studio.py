"""`manage.py push_label_studio`: bring a queue to Label Studio."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.audit.recording import SHELL
from curation.label_studio.client import connect
from curation.label_studio.errors import LabelStudioError
from curation.label_studio.labelling import VERDICTS
from curation.label_studio.pushing import push_queue
from curation.models import Queue
from vllm_batch.lib.conf import conf


class Command(BaseCommand):
    """Copies a queue's tasks to Label Studio; again, what is new or changed."""

    help = "Bring a queue's tasks to Label Studio."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say which queue."""
        parser.add_argument("--project", required=True, help="the project's name")
        parser.add_argument("--queue", required=True, help="the queue's name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Push it."""
        if not conf().has_label_studio:
            raise CommandError("Set LABEL_STUDIO_URL and LABEL_STUDIO_TOKEN first.")
        queues = Queue.objects.filter(project__name=options["project"])
        queue = queues.filter(name=options["queue"]).first()
        if queue is None:
            raise CommandError(f"There is no queue '{options['queue']}' there.")
        if queue.mode not in VERDICTS:
            raise CommandError("Label Studio gets pairs and single answers.")
        try:
            done = push_queue(connect(), queue, by=SHELL)
        except LabelStudioError as error:
            raise CommandError(f"{error} Run it again: nothing is doubled.") from error
        self.stdout.write(
            f"{queue}: {done.created + done.found} tasks new in Label Studio,"
            f" {done.updated} updated."
        )
