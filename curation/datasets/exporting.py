"""Check a version for a consumer, then write it: two passes, little memory."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from curation.datasets.errors import DatasetError, InvalidExamples, UnsuitableProfile
from curation.datasets.hashing import digest_payload
from curation.datasets.leaks import check_leaks
from curation.datasets.lengths import Lengths
from curation.datasets.licences import check_licences
from curation.datasets.naming import name_of
from curation.exporters.base import Example, Exporter, Facts, Problem, json_line
from curation.exporters.registry import exporters_for
from curation.models import DatasetMember, DatasetVersion
from curation.models.item import Split

PAGE_MEMBERS = 100
MOST_NAMED, MOST_SAID = 50, 10
Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to export: leave invalid rows out, and whose tokenizer counts."""

    skip_invalid: bool = False
    tokenizer: str = ""


@dataclass
class Report:
    """What the check found. Rows count from 1, as they would stand in the file."""

    rows: int = 0
    left_out: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    errors: list[dict[str, Any]] = field(default_factory=list)
    error_count: int = 0
    tokens: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored with the export."""
        return {
            "rows": self.rows,
            "left_out": self.left_out,
            "error_count": self.error_count,
            "errors": self.errors,
            "warnings": dict(self.warnings),
            "tokens": self.tokens,
        }


def find_exporter(version: DatasetVersion, profile: str) -> Exporter:
    """Return the exporter of this name for a version; raises UnsuitableProfile."""
    fit = exporters_for(version.dataset.kind)
    if profile not in fit:
        raise UnsuitableProfile(
            f"There is no profile '{profile}' for {version.dataset.kind}. These are:"
            f" {', '.join(sorted(fit))}."
        )
    if missing := fit[profile].missing():
        raise UnsuitableProfile(f"The profile '{profile}' needs {missing}.")
    return fit[profile](facts_of(version))


def facts_of(version: DatasetVersion) -> Facts:
    """Return what exporters are told of a version."""
    members = dict(version.reports.get("members", {}))
    splits = {
        split: members[split]
        for split in (Split.TRAIN.value, Split.TEST.value)
        if members.get(split)
    }
    return Facts(
        name=version.dataset.name,
        number=version.number,
        kind=version.dataset.kind,
        manifest_sha256=version.manifest_sha256,
        has_tools=bool(version.reports.get("has_tools")),
        splits=splits,
        filter=version.filter,
        reports=version.reports,
    )


def check_gates(version: DatasetVersion) -> None:
    """Raise Unlicensed or LeakageFound if the version may not be exported now."""
    allowed = version.filter.get("unlicensed", [])
    check_licences(version.reports.get("models", {}), allowed)
    check_leaks(version)


def check(
    version: DatasetVersion, exporter: Exporter, splits: Iterable[str], options: Options
) -> Report:
    """Read all rows and say what the consumer would not take.

    Raises InvalidExamples, with the report, unless invalid rows are to be left out; and
    DatasetError if a member is not what was frozen.
    """
    report, lengths = Report(), Lengths(options.tokenizer or _usual_model(version))
    for split in splits:
        rows = 0
        for number, example in enumerate(examples(version, split), 1):
            rows += _take(report, split, number, list(exporter.validate(example)))
            lengths.add(example)
        report.rows += rows
        if split == Split.TRAIN and rows < exporter.minimum:
            text = f"the consumer wants {exporter.minimum} rows; there are {rows}"
            _note(report, split, 0, Problem("file", text))
    report.tokens = lengths.report()
    if not report.rows and not report.error_count:
        raise DatasetError(f"There are no rows in the split {', '.join(splits)}.")
    too_few = any(error["row"] == 0 for error in report.errors)
    if report.error_count and (too_few or not options.skip_invalid):
        raise InvalidExamples(_why(report, exporter), report.as_json())
    return report


def _take(report: Report, split: str, row: int, found: list[Problem]) -> int:
    """Note an example's problems; return 1 if it can be written, else 0."""
    errors = [problem for problem in found if not problem.is_warning]
    for problem in found:
        if problem.is_warning:
            report.warnings[f"{problem.field}: {problem.message}"] += 1
    for problem in errors:
        _note(report, split, row, problem)
    report.left_out += bool(errors)
    return 0 if errors else 1


def _note(report: Report, split: str, row: int, problem: Problem) -> None:
    report.error_count += 1
    if len(report.errors) < MOST_NAMED or row == 0:
        one = {"split": split, "row": row, "field": problem.field}
        report.errors.append({**one, "message": problem.message[:300]})


def _why(report: Report, exporter: Exporter) -> str:
    said = [
        f"{one['split']} row {one['row']}: {one['field']} {one['message']}"
        if one["row"]
        else f"{one['split']}: {one['message']}"
        for one in report.errors[:MOST_SAID]
    ]
    if more := report.error_count - len(said):
        said.append(f"and {more} more")
    advice = "Correct them, or leave them out with --skip-invalid:"
    if not report.left_out:
        return f"{exporter.name}: nothing was written: {said[0]}."
    what = f"{exporter.name} would not take {report.left_out} rows"
    return f"{what}; nothing was written. {advice}\n" + "\n".join(said)


def _usual_model(version: DatasetVersion) -> str:
    """Return the model that gave the most answers, if any did."""
    models: dict[str, int] = version.reports.get("models", {})
    return max(models, key=lambda name: (models[name], name), default="")


def examples(version: DatasetVersion, split: str) -> Iterator[Example]:
    """Yield a split's examples, a page at a time; raises DatasetError if damaged."""
    last = 0
    rows = version.members.filter(split=split).order_by("ordinal")
    # Not one cursor: the web's connections end statements that take too long.
    while page := list(rows.filter(ordinal__gt=last)[:PAGE_MEMBERS]):
        last = page[-1].ordinal
        for member in page:
            if digest_payload(member.payload) != member.payload_hash:
                raise DatasetError(
                    f"Member {member.ordinal} of {name_of(version)} is not what was"
                    " frozen. Run verify_dataset."
                )
            yield example_of(member)


def example_of(member: DatasetMember) -> Example:
    """Return a member as exporters are given it."""
    payload = member.payload
    places = ("completion", "chosen", "rejected")
    return Example(
        ordinal=member.ordinal,
        split=member.split,
        prompt=payload["prompt"],
        answers={place: payload[place][0] for place in places if place in payload},
        tools=payload.get("tools"),
        label=payload.get("label"),
        provenance={"payload_hash": member.payload_hash, **member.provenance},
    )


def writable(
    version: DatasetVersion,
    exporter: Exporter,
    split: str,
    progress: Progress | None = None,
) -> Iterator[Example]:
    """Yield the examples that the consumer takes, and count them."""
    rows = 0
    for example in examples(version, split):
        if all(problem.is_warning for problem in exporter.validate(example)):
            rows += 1
            if progress is not None and rows % PAGE_MEMBERS == 0:
                progress(PAGE_MEMBERS)
            yield example
    if progress is not None:
        progress(rows % PAGE_MEMBERS)


def sidecar(
    version: DatasetVersion, exporter: Exporter, splits: Iterable[str]
) -> Iterator[bytes]:
    """Yield a line of provenance for each row that is written."""
    return chain.from_iterable(
        (
            json_line(
                {"row": row, "split": split, "ordinal": one.ordinal, **one.provenance}
            )
            for row, one in enumerate(writable(version, exporter, split), 1)
        )
        for split in splits
    )


def as_document(value: object) -> bytes:
    """Return a small JSON document for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str).encode() + b"\n"
