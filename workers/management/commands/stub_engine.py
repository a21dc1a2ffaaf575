"""`manage.py stub_engine`: the stub engine as an HTTP server."""

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from workers.stub_server import serve


class Command(BaseCommand):
    """Serve the stub engine."""

    help = "Serve the stub engine over HTTP; the prompts say what it answers."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=0, help="0: any free port")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until told to stop."""
        asyncio.run(serve(options["host"], options["port"]))
