"""`manage.py plan_model NAME --gpu 16GiB`: whether a model fits, and how."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workers.memory.errors import CannotPlan
from workers.memory.report import as_json, as_text
from workers.memory.sizes import parse_size
from workers.memory.sources import plan_for, source_of
from workers.memory.wishes import CACHE_DTYPES


class Command(BaseCommand):
    """Plan the memory of a model from its config and its files' headers alone."""

    help = "Say whether a model fits on a GPU, and with which engine arguments."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument(
            "name", help="a served model, a folder, a config.json or a hub id"
        )
        parser.add_argument("--gpu", required=True, help="the card's memory: 16GiB")
        parser.add_argument("--max-model-len", type=int)
        parser.add_argument("--kv-cache-dtype", choices=CACHE_DTYPES)
        parser.add_argument("--quantization", help="a format vLLM makes while loading")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the plan."""
        changes = ("max_model_len", "kv_cache_dtype", "quantization")
        try:
            plan = plan_for(
                source_of(options["name"]),
                parse_size(options["gpu"]),
                **{name: options[name] for name in changes},
            )
        except CannotPlan as reason:
            raise CommandError(str(reason)) from reason
        if options["json"]:
            self.stdout.write(json.dumps(as_json(plan), indent=2))
        else:
            self.stdout.write(as_text(plan))
