"""The numbers as CSV and JSON."""

import csv
import io
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from curation.numbers.records import Numbers, Record
from curation.statistics.intervals import Estimate

HEAD = ("section", "name", "other", "measure", "value", "low", "high", "votes")
# A spreadsheet takes a text that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Row(NamedTuple):
    """One number in the CSV."""

    section: str
    name: str
    other: str
    measure: str
    estimate: Estimate | None
    votes: int


def as_csv(numbers: Numbers) -> str:
    """Return one number a line; names of models and people are no formulas."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(HEAD)
    for row in _rows(numbers):
        value, low, high = row.estimate or ("", "", "")
        names = (_inert(row.name), _inert(row.other))
        writer.writerow([row.section, *names, row.measure, value, low, high, row.votes])
    return target.getvalue()


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _rows(numbers: Numbers) -> Iterator[Row]:
    for one in numbers.standings:
        yield Row("models", one.name, "", "rating", one.rating, one.record.votes)
        yield from _of_record("models", one.name, one.record)
    for change in numbers.changes:
        yield from _of_record("corrections", change.name, change.record)
    for who in numbers.reviewers:
        yield Row("reviewers", who.name, "", "left picks", who.left, who.wins)
        yield Row("reviewers", who.name, "", "votes", None, who.votes)
    whole = numbers.agreement
    if whole is not None and whole.percent is not None:
        same = Estimate(whole.percent, whole.percent, whole.percent)
        yield Row("agreement", "", "", "agreeing pairs", same, whole.pairs)
        yield Row("agreement", "", "", "alpha", whole.alpha, whole.units)
    for pair in numbers.pairs:
        yield Row("agreement", *pair.names, "agreeing", pair.percent, pair.tasks)
        yield Row("agreement", *pair.names, "kappa", pair.kappa, pair.tasks)
    for judge in numbers.judges:
        name, wording = judge.name, judge.prompt_hash[:12]
        yield Row("judges", name, wording, "agreeing", judge.percent, judge.tasks)
        yield Row("judges", name, wording, "kappa", judge.kappa, judge.tasks)
        yield Row("judges", name, wording, "contested", judge.contested, judge.tasks)


def _of_record(section: str, name: str, record: Record) -> Iterator[Row]:
    yield Row(section, name, "", "win rate", record.rate, record.votes)
    for measure in ("wins", "losses", "ties", "both_bad"):
        yield Row(section, name, "", measure, None, getattr(record, measure))


def as_json(value: Any) -> Any:
    """Return the numbers as what JSON can hold."""
    if isinstance(value, Estimate):
        return value._asdict()
    if is_dataclass(value):
        found = {one.name: as_json(getattr(value, one.name)) for one in fields(value)}
        if isinstance(value, Record):
            found |= {"votes": value.votes, "rate": as_json(value.rate)}
        return found
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    return value
