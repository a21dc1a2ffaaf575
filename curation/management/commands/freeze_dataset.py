"""`manage.py freeze_dataset NAME --project P --kind dpo`: reviews become examples."""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import is_naive, make_aware

from curation.datasets.contamination import name_file
from curation.datasets.errors import DatasetError
from curation.datasets.filter import Filter
from curation.datasets.freezing import freeze
from curation.datasets.naming import find_or_make, find_project, name_of
from curation.datasets.summary import summary
from curation.models.dataset import Kind


class Command(BaseCommand):
    """Freeze a version of a dataset, and say what is in it."""

    help = "Freeze a version of a dataset; the last line printed is its name."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("name", help="the dataset's name; made if not there")
        parser.add_argument("--project", required=True, help="the project's name")
        parser.add_argument("--kind", required=True, choices=Kind.values)
        parser.add_argument("--queue", action="append", default=[], help="only of it")
        parser.add_argument("--tag", action="append", default=[], help="only with it")
        parser.add_argument("--model", action="append", default=[], help="only its")
        parser.add_argument("--gold-only", action="store_true", help="only gold")
        parser.add_argument("--since", help="only decided since this day or time")
        parser.add_argument("--test-ratio", type=float, default=0.1, help="default 0.1")
        parser.add_argument("--seed", type=int, default=1, help="of the splits")
        parser.add_argument("--one-per-cluster", action="store_true")
        parser.add_argument("--allow-unlicensed", action="store_true")
        parser.add_argument("--compare-with", action="append", default=[], help="file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Freeze, and print the reports."""
        try:
            chosen_by = _filter(options)
            project = find_project(options["project"])
            dataset = find_or_make(project, options["name"], options["kind"])
            version = freeze(dataset, chosen_by)
        except DatasetError as error:
            raise CommandError(str(error)) from error
        for line in summary(version):
            self.stdout.write(line)
        self.stdout.write(name_of(version))


def _filter(options: dict[str, Any]) -> Filter:
    if not 0 <= options["test_ratio"] < 1:
        raise CommandError("--test-ratio is from 0 to below 1.")
    return Filter(
        queues=tuple(options["queue"]),
        tags=tuple(options["tag"]),
        models=tuple(options["model"]),
        gold_only=options["gold_only"],
        since=_moment(options["since"]) if options["since"] else None,
        seed=options["seed"],
        test_ratio=options["test_ratio"],
        one_per_cluster=options["one_per_cluster"],
        allow_unlicensed=options["allow_unlicensed"],
        compare_with=tuple(map(name_file, options["compare_with"])),
    )


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime.combine(day, datetime.min.time())
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError("--since is a day or a time, such as 2026-11-25.")
    return make_aware(moment) if is_naive(moment) else moment
