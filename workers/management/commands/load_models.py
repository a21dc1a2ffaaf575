"""`manage.py load_models FILE.toml`: the models clients may name."""

import tomllib
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from workers.models import ServedModel

# A key left out goes back to its default.
DEFAULTS: dict[str, Any] = {
    "engine": "vllm",
    "source": "",
    "revision": "",
    "quantization": "",
    "engine_args": {},
    "endpoints": [],
    "lora_adapters": [],
    "chat_template": "",
    "request_limits": {},
    "licence": "",
    "may_train_others": "unknown",
    "run_hours": "",
}
KEYS = {"name", "enabled", "chat_template_file", *DEFAULTS}


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
                _load(entry, options["file"].parent)
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


def _load(entry: dict[str, Any], folder: Path) -> None:
    name = entry.get("name")
    if not isinstance(name, str):
        raise CommandError(f"A model lacks its name: {entry}")
    if unknown := sorted(set(entry) - KEYS):
        raise CommandError(
            f"Model {name}: unknown keys {unknown}. Known: {', '.join(sorted(KEYS))}."
        )
    model = ServedModel.objects.filter(name=name).first() or ServedModel(name=name)
    values = {**entry, **_template(entry, folder)}
    for key, default in DEFAULTS.items():
        setattr(model, key, values.get(key, default))
    model.is_enabled = entry.get("enabled", True)
    try:
        model.full_clean()
    except ValidationError as error:
        raise CommandError(f"Model {name}: {_words(error)}") from error
    model.save()


def _template(entry: dict[str, Any], folder: Path) -> dict[str, str]:
    """Read the chat template that lies beside the TOML file, if one is named."""
    if "chat_template_file" not in entry:
        return {}
    name, file = entry["name"], entry["chat_template_file"]
    if "chat_template" in entry or not isinstance(file, str):
        raise CommandError(
            f"Model {name}: write chat_template, or chat_template_file with a path."
        )
    try:
        return {"chat_template": (folder / file).read_text()}
    except (OSError, ValueError) as error:
        raise CommandError(f"Model {name}: {file} could not be read: {error}") from None


def _words(error: ValidationError) -> str:
    """Return what is wrong, with the keys it is wrong with."""
    return "; ".join(
        f"{key}: {' '.join(messages)}" for key, messages in error.message_dict.items()
    )
