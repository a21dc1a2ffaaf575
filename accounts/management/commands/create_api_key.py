"""`manage.py create_api_key`: a key for a project, shown once."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts.models import SCOPES, ApiKey, Project

MOST_DAYS = 36_500


class Command(BaseCommand):
    """Make an API key."""

    help = "Make an API key; the last line printed is the key itself, shown only now."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("--project", required=True, help="made if it is not there")
        parser.add_argument("--name", required=True, help="who or what uses the key")
        parser.add_argument(
            "--scopes", nargs="+", default=list(SCOPES), help="default: all of them"
        )
        parser.add_argument("--expires-days", type=int, help="default: never")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key and print it."""
        days = options["expires_days"]
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--expires-days takes 1 to {MOST_DAYS} days.")
        try:
            with transaction.atomic():
                project = _project(options["project"])
                key, secret = ApiKey.issue(
                    project,
                    options["name"],
                    scopes=options["scopes"],
                    expires_at=timezone.now() + timedelta(days=days) if days else None,
                )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(f"{key} may act for {project}. The key, shown only now:")
        self.stdout.write(secret)


def _project(name: str) -> Project:
    project = Project.objects.filter(name=name).first()
    if project is None:
        project = Project(name=name)
        project.full_clean()
        project.save()
    return project
