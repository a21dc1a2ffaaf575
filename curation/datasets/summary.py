"""A version's reports in sentences, for commands and the admin."""

from collections.abc import Iterator
from typing import Any

from curation.models import DatasetVersion


def summary(version: DatasetVersion) -> Iterator[str]:
    """Yield a line for each thing that is worth knowing."""
    reports = version.reports
    members = dict(reports.get("members", {}))
    total = members.pop("total", 0)
    parts = ", ".join(f"{count} {split}" for split, count in members.items())
    yield f"{total} examples: {parts}"
    if models := reports.get("models"):
        yield f"models: {', '.join(f'{n} ({c})' for n, c in models.items())}"
    if labels := reports.get("labels"):
        yield f"labels: {labels['good']} good, {labels['bad']} bad"
    yield from _duplicates(reports.get("duplicates", {}))
    yield from _contamination(reports.get("contamination", {}))
    if bias := reports.get("length_bias"):
        yield (
            f"length: chosen answers are {bias['median_ratio']} times as long as"
            f" rejected ones (median); {bias['share_much_longer']:.0%} are much longer,"
            f" {bias['share_much_shorter']:.0%} much shorter"
        )
        if "warning" in bias:
            yield f"warning: {bias['warning']}"
    if cut_off := reports.get("answers", {}).get("cut_off"):
        yield f"warning: {cut_off} examples have answers that hit the token limit"
    if skipped := reports.get("skipped"):
        yield f"left out: {', '.join(f'{c} {why}' for why, c in skipped.items())}"
    if unlicensed := version.filter.get("unlicensed"):
        yield f"warning: frozen without permission of {', '.join(unlicensed)}"
    yield f"manifest: {version.manifest_sha256}"


def _duplicates(report: dict[str, Any]) -> Iterator[str]:
    if report:
        yield (
            f"duplicates: {report['dropped']} equal examples left out;"
            f" {report['clusters_with_near_duplicates']} of {report['clusters']}"
            " clusters have several prompts"
        )


def _contamination(report: dict[str, Any]) -> Iterator[str]:
    if report:
        yield (
            f"contamination: {report['members']} train examples share"
            f" {report['words']} words in a row with one of"
            f" {report['compared_with']} texts held out"
        )
    for one in report.get("first", [])[:5]:
        yield f"  member {one['member']}: {one['share']:.0%} with {one['with']}"
