"""`manage.py load_models FILE.toml`: the models clients may name."""

import tomllib
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from workers.models import ServedModel

KEYS = {"name", "engine", "source", "engine_args", "endpoints", "enabled"}


class Command(BaseCommand):
    """Create or update served models from a file; running it again changes nothing."""

    help = (
        "Create or update served models from a TOML file with [[model]] tables:"
        f" {', '.join(sorted(KEYS))}."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Load every model of the file, or none."""
        entries = _read(options["file"])
        with transaction.atomic():
            for entry in entries:
                _load(entry)
        names = ", ".join(entry["name"] for entry in entries)
        self.stdout.write(f"{len(entries)} models are served now: {names}")


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        entries: Any = tomllib.loads(path.read_text()).get("model")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{path} could not be read: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise CommandError(f"{path} holds no [[model]] table.")
    if not all(isinstance(entry, dict) for entry in entries):
        raise CommandError(f"{path} holds no [[model]] table, but something else.")
    return entries


def _load(entry: dict[str, Any]) -> None:
    name = entry.get("name")
    if not isinstance(name, str):
        raise CommandError(f"A model lacks its name: {entry}")
    if unknown := sorted(set(entry) - KEYS):
        raise CommandError(
            f"Model {name}: unknown keys {unknown}. Known: {', '.join(sorted(KEYS))}."
        )
    model = ServedModel.objects.filter(name=name).first() or ServedModel(name=name)
    model.engine = entry.get("engine", "vllm")
    model.source = entry.get("source", "")
    model.engine_args = entry.get("engine_args", {})
    model.endpoints = entry.get("endpoints", [])
    model.is_enabled = entry.get("enabled", True)
    try:
        model.full_clean()
    except ValidationError as error:
        raise CommandError(f"Model {name}: {'; '.join(error.messages)}") from error
    model.save()
