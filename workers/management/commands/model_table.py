"""`manage.py model_table`: the page docs/reference/models.md."""

from typing import Any

from django.core.management.base import BaseCommand

from workers.memory.table import model_page


class Command(BaseCommand):
    """Print the table of ready-made models on cards of four sizes."""

    help = "Print docs/reference/models.md: what the ready-made models do on a GPU."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the page."""
        self.stdout.write(model_page(), ending="")
