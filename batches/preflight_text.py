"""Say a pre-flight's report in words, for the admin and the command line. Pure."""

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_UNKNOWN = "not known"


def rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a report says as pairs of a name and a value."""
    return [
        ("lines", f"{report['lines']:,}"),
        ("tokens counted by", _counter(report)),
        ("model's longest request", _number(report["max_model_len"], " tokens")),
        ("too long", _list(report["too_long"])),
        ("refused by the chat template", _list(report["refused"])),
        ("input tokens", _figure(report, "input_tokens")),
        ("output tokens at most", _output(report)),
        ("duplicates, which run once", f"{report['duplicates']:,}"),
        ("tokens in starts that are shared", f"{report['shared_prefix_share']:.0%}"),
        ("expected time at most", _time(report["expected_seconds"])),
    ]


def as_text(report: Mapping[str, Any]) -> str:
    """Return the report as lines of text."""
    pairs = rows(report)
    width = max(len(name) for name, _ in pairs) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in pairs)


def as_table(report: Mapping[str, Any]) -> SafeString:
    """Return the report as an HTML table."""
    row = '<tr><th style="text-align: left; padding-right: 2em">{}</th><td>{}</td></tr>'
    return format_html("<table>{}</table>", format_html_join("", row, rows(report)))


def _counter(report: Mapping[str, Any]) -> str:
    lines, counted = report["lines"], report["counted_lines"]
    reason = report["tokenizer_reason"]
    if report["tokenizer"] != "model":
        found = "an estimate from the lines' bytes"
    elif counted == lines:
        found = "the model's tokenizer"
    else:
        found = f"the model's tokenizer for {counted:,} lines, an estimate for the rest"
    return f"{found}. {reason}" if reason else found


def _figure(report: Mapping[str, Any], name: str) -> str:
    about = "about " if name in report["estimated"] else ""
    return f"{about}{report[name]:,}"


def _output(report: Mapping[str, Any]) -> str:
    found = _figure(report, "max_output_tokens")
    if unlimited := report["lines_without_output_limit"]:
        found += f"; {unlimited:,} lines set no limit"
    return found


def _list(entry: Mapping[str, Any]) -> str:
    count, lines = entry["count"], entry["lines"]
    if not count:
        return "none"
    numbers = ", ".join(map(str, lines))
    more = ", …" if count > len(lines) else ""
    return f"{count:,} (line {numbers}{more})"


def _number(value: int | None, unit: str) -> str:
    return _UNKNOWN if value is None else f"{value:,}{unit}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return f"{_UNKNOWN}: the model's pace was not measured yet"
    if seconds < 60:
        return f"{seconds:,.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"
