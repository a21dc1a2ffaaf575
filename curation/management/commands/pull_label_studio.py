"""`manage.py pull_label_studio`: fetch annotations from Label Studio."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.label_studio.client import connect
from curation.label_studio.errors import LabelStudioError
from curation.label_studio.pulling import pull_project
from curation.models import LabelStudioProject
from vllm_batch.lib.conf import conf


class Command(BaseCommand):
    """Fetches annotations of the queues that were copied to Label Studio."""

    help = "Fetch annotations from Label Studio."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say which, and how much."""
        parser.add_argument("--project", help="only queues of the project of this name")
        parser.add_argument(
            "--all", action="store_true", help="read everything, not only changes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Pull one project after the other."""
        if not conf().has_label_studio:
            raise CommandError("Set LABEL_STUDIO_URL and LABEL_STUDIO_TOKEN first.")
        client = connect()
        rows = LabelStudioProject.objects.filter(url=client.url, remote_id__gt=0)
        if options["project"] is not None:
            rows = rows.filter(queue__project__name=options["project"])
        for row in rows.select_related("queue__project"):
            if options["all"]:
                row.cursor, row.next_cursor, row.passed_id = None, None, 0
            try:
                done = pull_project(client, row)
            except LabelStudioError as error:
                raise CommandError(f"{row}: {error}") from error
            self.stdout.write(
                f"{row.queue}: {done.recorded} annotations recorded, {done.gone} gone,"
                f" {done.unreadable} unreadable."
            )
