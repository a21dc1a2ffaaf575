"""What a version's reports say: sizes, lengths, duplicates, contamination."""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from django.db.models import Count
from django.db.models.fields.json import KeyTextTransform

from curation.datasets.contamination import HeldOut, texts_of
from curation.datasets.filter import NamedFile
from curation.datasets.provenance import models_of
from curation.datasets.splits import HELD_OUT
from curation.models import DatasetMember, DatasetVersion

LONG_RATIO = 1.5
SHOWN = 20
PAGE_MEMBERS = 200


def answer_text(messages: list[dict[str, Any]]) -> str:
    """Return an answer's text, its tool calls' arguments included."""
    parts = [message["content"] for message in messages]
    for message in messages:
        for call in message.get("tool_calls", ()):
            parts.append(call["function"]["arguments"])
    return "".join(parts)


class Meters:
    """Counts members as they are written."""

    def __init__(self) -> None:
        self.models: Counter[str] = Counter()
        self._splits: Counter[str] = Counter()
        self._ratios = array("f")
        self._characters = self._longest = self._cut_off = 0
        self._labels: Counter[bool] = Counter()
        self._has_tools = False

    def add(self, member: DatasetMember) -> None:
        """Take a member."""
        payload, answers = member.payload, member.provenance["answers"]
        self.models.update(models_of(member.provenance))
        self._splits[member.split] += 1
        self._cut_off += any(
            one.get("finish_reason") == "length" and "revision" not in one
            for one in answers.values()
        )
        said = len(answer_text(payload.get("chosen") or payload["completion"]))
        self._characters += said
        self._longest = max(self._longest, said)
        messages = [*payload["prompt"], *payload.get("chosen", ())]
        messages += [*payload.get("rejected", ()), *payload.get("completion", ())]
        has_calls = any("tool_calls" in m or m["role"] == "tool" for m in messages)
        self._has_tools = self._has_tools or has_calls or "tools" in payload
        if "label" in payload:
            self._labels[payload["label"]] += 1
        if "rejected" in payload:
            other = len(answer_text(payload["rejected"]))
            self._ratios.append((said + 1) / (other + 1))

    def report(self) -> dict[str, Any]:
        """Return what was counted."""
        count = self._splits.total()
        found: dict[str, Any] = {
            "members": {"total": count, **self._splits},
            "models": dict(self.models),
            "answers": {
                "mean_characters": round(self._characters / max(1, count)),
                "longest_characters": self._longest,
                "cut_off": self._cut_off,
            },
            "has_tools": self._has_tools,
        }
        if self._labels:
            found["labels"] = {"good": self._labels[True], "bad": self._labels[False]}
        if self._ratios:
            found["length_bias"] = length_bias(self._ratios)
        return found


def length_bias(ratios: Sequence[float]) -> dict[str, Any]:
    """Return how much longer chosen answers are than rejected ones.

    A model trained on pairs of which the longer one nearly always wins learns length.
    """
    buckets = Counter(max(-3, min(3, round(math.log2(ratio)))) for ratio in ratios)
    names = ("≤1/8", "1/4", "1/2", "1", "2", "4", "≥8")
    share = sum(ratio > LONG_RATIO for ratio in ratios) / len(ratios)
    reverse = sum(ratio < 1 / LONG_RATIO for ratio in ratios) / len(ratios)
    found = {
        "median_ratio": round(median(ratios), 2),
        "share_much_longer": round(share, 3),
        "share_much_shorter": round(reverse, 3),
        "histogram": {name: buckets[place - 3] for place, name in enumerate(names)},
    }
    if len(ratios) >= SHOWN and abs(share - reverse) > 0.25:
        what = "longer" if share > reverse else "shorter"
        found["warning"] = f"Chosen answers are often much {what} than rejected ones."
    return found


def report_duplicates(version: DatasetVersion, dropped: int) -> dict[str, Any]:
    """Return equal examples left out, and clusters of near-duplicates that are in."""
    clusters = (
        version.members.order_by()
        .annotate(cluster=KeyTextTransform("cluster", "provenance"))
        .values("cluster")
        .annotate(n=Count("provenance__item", distinct=True))
    )
    several = clusters.filter(n__gt=1)
    largest = several.order_by("-n", "cluster")[:SHOWN]
    return {
        "dropped": dropped,
        "clusters": clusters.count(),
        "clusters_with_near_duplicates": several.count(),
        "largest": [
            {"cluster": one["cluster"], "prompts": one["n"]} for one in largest
        ],
    }


def report_contamination(
    version: DatasetVersion, files: Sequence[NamedFile]
) -> dict[str, Any]:
    """Return which train members share twelve words in a row with what tests them."""
    with HeldOut() as held:
        for member in _members(version, is_train=False):
            held.add(texts_of(member.payload), f"member {member.ordinal}")
        held.add_items(version.dataset.project)
        for file in files:
            held.add_file(file)
        found: list[dict[str, Any]] = []
        total = 0
        for member in _members(version, is_train=True) if held.count else ():
            share, where = held.overlap(texts_of(member.payload))
            if where:
                total += 1
                if len(found) < SHOWN:
                    one = {"member": member.ordinal, "share": share, "with": where}
                    found.append(one)
        return {
            "compared_with": held.count,
            "words": held.words,
            "members": total,
            "first": found,
        }


def _members(version: DatasetVersion, *, is_train: bool) -> Any:
    rows = version.members.defer("provenance").order_by("ordinal")
    held = rows.exclude if is_train else rows.filter
    return held(split__in=HELD_OUT).iterator(chunk_size=PAGE_MEMBERS)
