"""`manage.py find_families`: cluster near-duplicate prompts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Project
from curation.audit.recording import SHELL
from curation.ingest.handing_over import note_clustering
from curation.ordering.families import cluster


class Command(BaseCommand):
    """Cluster the near-duplicate prompts of a project."""

    help = "Cluster a project's near-duplicate prompts into families."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("--project", required=True, help="its name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Cluster, and say how many families there are."""
        project = Project.objects.filter(name=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project '{options['project']}'.")
        note_clustering(project, SHELL)
        self.stdout.write(f"{cluster(project.pk)} families")
