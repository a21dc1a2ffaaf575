"""`manage.py import_results`: batches' results or a foreign file into a queue."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Project
from batches.handlers import GiveUp
from batches.models import BatchJob
from curation.audit.recording import SHELL
from curation.exceptions import CurationError
from curation.importing.actions import FORMATS, import_file
from curation.ingest.batches import ingest_batch
from curation.ingest.handing_over import note_import, queues_for, ring_families
from curation.models import Queue
from curation.models.queue import Mode
from curation.queues import find_or_make

MOST_SHOWN = 100


class Command(BaseCommand):
    """Bring results of batches, or a file of another tool, into a review queue."""

    help = "Bring batches that have ended, or another tool's files, into a queue."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("sources", nargs="+", help="batch ids; paths with --format")
        parser.add_argument("--queue", help="made if it is not there")
        parser.add_argument("--mode", choices=Mode.values, help="of a new queue: pair")
        parser.add_argument("--format", choices=FORMATS, help="of files")
        parser.add_argument("--project", help="its name; needed with --format")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import each source and say what became of it."""
        take = self._file if options["format"] else self._batch
        for source in options["sources"]:
            try:
                take(source, options)
            except (CurationError, GiveUp, OSError) as error:
                raise CommandError(f"{source}: {error}") from error

    def _batch(self, batch_id: str, options: dict[str, Any]) -> None:
        batch = BatchJob.objects.select_related("project").filter(pk=batch_id).first()
        if batch is None or not batch.is_terminal:
            raise CommandError(f"No batch with the id '{batch_id}' has ended.")
        for queue in _queues(batch, options):
            note_import(queue, SHELL, batch.pk)
            report = ingest_batch(batch, queue)
            self.stdout.write(f"{batch.pk} into '{queue}': {report}.")
        ring_families(batch.project_id)

    def _file(self, path: str, options: dict[str, Any]) -> None:
        project = Project.objects.filter(name=options["project"] or "").first()
        if project is None or not options["queue"]:
            raise CommandError("A file needs the --project (of that name) and --queue.")
        queue = find_or_make(project, options["queue"], options["mode"], SHELL)
        with open(path, "rb") as stream:
            report = import_file(queue, options["format"], stream)
        for number, why in report.bad[:MOST_SHOWN]:
            self.stderr.write(f"{path}: row {number}: {why}")
        if len(report.bad) > MOST_SHOWN:
            self.stderr.write(f"… and {len(report.bad) - MOST_SHOWN} more")
        self.stdout.write(
            f"{path} into '{queue}': {report.rows} rows, {report.answers} answers,"
            f" {report.tasks} new tasks, {report.decisions} new decisions;"
            f" {len(report.bad)} rows were left out."
        )


def _queues(batch: BatchJob, options: dict[str, Any]) -> list[Queue]:
    if options["queue"]:
        name, mode = options["queue"], options["mode"]
        return [find_or_make(batch.project, name, mode, SHELL)]
    found = queues_for(batch)
    if not found:
        raise CommandError(f"{batch.pk} is tagged for no queue; name one with --queue.")
    return found
