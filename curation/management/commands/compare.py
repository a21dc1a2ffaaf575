"""`manage.py compare FILE --models a b --queue NAME`: one file on several models."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Project
from curation.comparing import ComparisonOrder, compare, open_batch_file
from curation.exceptions import CurationError
from curation.models.queue import Mode


class Command(BaseCommand):
    """Run a batch file on several models, and let the answers meet in a queue."""

    help = "Run a batch file on several models; the last lines printed are the batches."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("file", help="the id of an uploaded file, or a path")
        parser.add_argument("--models", nargs="+", required=True, help="served models")
        parser.add_argument("--queue", required=True, help="made if it is not there")
        parser.add_argument("--mode", choices=Mode.values, help="of a new queue: pair")
        parser.add_argument("--project", help="its name; needed with a path")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the comparison and print its batches."""
        try:
            with _source(options["file"], options["project"]) as (
                project,
                name,
                source,
            ):
                order = ComparisonOrder(
                    project, name, options["models"], options["queue"], options["mode"]
                )
                found = compare(order, source)
        except (CurationError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The comparison '{found}' waits for these batches:")
        for batch in found.batches.order_by("created_at", "pk"):
            self.stdout.write(batch.pk)


@contextmanager
def _source(
    name: str, project_name: str | None
) -> Iterator[tuple[Project, str, IO[bytes]]]:
    project = Project.objects.filter(name=project_name or "").first()
    if project_name and project is None:
        raise CommandError(f"There is no project '{project_name}'.")
    path = Path(name)
    if not path.exists():
        file, stream = open_batch_file(project, name)
        with stream:
            yield file.project, file.filename, stream
    elif project is None:
        raise CommandError("A path needs --project.")
    else:
        with path.open("rb") as stream:
            yield project, path.name, stream
