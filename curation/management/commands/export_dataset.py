"""`manage.py export_dataset NAME[@N] --profile trl-dpo --output PATH`."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.datasets.errors import DatasetError
from curation.datasets.exporting import Options, Report
from curation.datasets.naming import find_version
from curation.datasets.output import write_path
from curation.models.item import Split


class Command(BaseCommand):
    """Check a version for its consumer and write it, with the provenance beside it."""

    help = "Export a dataset's version; nothing is written if a row does not fit."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("name", help="NAME or NAME@NUMBER; the newest without")
        parser.add_argument("--profile", required=True, help="such as trl-dpo")
        parser.add_argument("--output", required=True, type=Path, help="file or folder")
        parser.add_argument("--split", choices=Split.values, default=Split.TRAIN)
        parser.add_argument("--project", help="needed if several have such a dataset")
        parser.add_argument("--tokenizer", default="", help="a served model's name")
        parser.add_argument(
            "--skip-invalid", action="store_true", help="leave rows out"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, and say what was checked."""
        how = Options(
            skip_invalid=options["skip_invalid"], tokenizer=options["tokenizer"]
        )
        try:
            version = find_version(options["name"], options["project"])
            report = write_path(
                version, options["profile"], options["output"], how, options["split"]
            )
        except (DatasetError, OSError) as error:
            raise CommandError(str(error)) from error
        self._say(report)
        self.stdout.write(f"{report.rows} rows in {options['output']}")

    def _say(self, report: Report) -> None:
        if report.left_out:
            self.stdout.write(f"{report.left_out} rows were left out:")
        for one in report.errors:
            where = f"{one['split']} row {one['row']}"
            self.stdout.write(f"  {where}: {one['field']} {one['message']}")
        for warning, count in report.warnings.items():
            self.stdout.write(f"warning: {count} rows: {warning}")
        tokens = report.tokens
        if not tokens["counted"]:
            self.stdout.write(f"tokens were not counted: {tokens.get('reason', '')}")
            return
        self.stdout.write(
            f"tokens by {tokens['model']}: {tokens['mean']} on average,"
            f" {tokens['longest']} at most; {tokens['over_1024']} rows are over 1024,"
            " where TRL cuts"
        )
        if untrained := tokens["untrained_1024"]:
            text = f"{untrained} rows: their prompt alone fills TRL's 1024 tokens"
            self.stdout.write(f"warning: {text}, so nothing of them is trained")
