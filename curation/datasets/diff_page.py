"""The admin's page of what differs between two versions, with the texts' beginnings."""

from collections import Counter
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from curation.datasets.differences import Difference, differences
from curation.datasets.naming import name_of
from curation.datasets.reports import answer_text
from curation.listing.scope import led_projects
from curation.models import DatasetMember, DatasetVersion

SHOWN, SHOWN_LETTERS = 100, 120
# Larger versions would keep a web process busy for too long.
MOST_MEMBERS = 20_000
WORDS = {"+": "new", "-": "gone", "~": "in another split"}


def diff_page(
    page: ModelAdmin, request: HttpRequest, old_pk: int, new_pk: int
) -> HttpResponse:
    """Show what differs; the first differences by example."""
    old, new = (_version(request, pk) for pk in (old_pk, new_pk))
    counts: Counter[str] = Counter()
    first: list[Difference] = []
    is_large = any(_size(version) > MOST_MEMBERS for version in (old, new))
    for one in () if is_large else differences(old, new):
        counts[one.sign] += 1
        if len(first) < SHOWN:
            first.append(one)
    context = {
        **page.admin_site.each_context(request),
        "title": f"From {name_of(old)} to {name_of(new)}",
        "opts": page.model._meta,
        "old": name_of(old),
        "new": name_of(new),
        "said": ", ".join(f"{counts[sign]} {WORDS[sign]}" for sign in WORDS),
        "is_large": is_large,
        "is_cut": counts.total() > len(first),
        "table": {
            "headers": ["Change", "Split", "Item", "Prompt", "Answer"],
            "rows": _rows(first, old, new),
        },
    }
    return TemplateResponse(request, "curation/datasets/diff.html", context)


def _version(request: HttpRequest, pk: int) -> DatasetVersion:
    rows = DatasetVersion.objects.select_related("dataset")
    led = rows.filter(dataset__project__in=led_projects(request))
    version = led.filter(pk=pk).first()
    if version is None:
        raise PermissionDenied("You do not lead this dataset's project.")
    return version


def _size(version: DatasetVersion) -> int:
    return int(version.reports.get("members", {}).get("total", 0))


def _rows(
    found: list[Difference], old: DatasetVersion, new: DatasetVersion
) -> list[list[Any]]:
    gone = _payloads(old, [one for one in found if one.sign == "-"])
    here = _payloads(new, [one for one in found if one.sign != "-"])
    return [
        [
            WORDS[one.sign],
            one.split,
            _link(one.item),
            *_starts((gone if one.sign == "-" else here)[one.payload_hash]),
        ]
        for one in found
    ]


def _payloads(version: DatasetVersion, found: list[Difference]) -> dict[str, Any]:
    hashes = [one.payload_hash for one in found]
    rows = DatasetMember.objects.filter(version=version, payload_hash__in=hashes)
    return dict(rows.values_list("payload_hash", "payload"))


def _starts(payload: dict[str, Any]) -> tuple[str, str]:
    """Return how the last turn of the prompt and the answer begin."""
    asked = payload["prompt"][-1]["content"] if payload["prompt"] else ""
    said = answer_text(payload.get("chosen") or payload.get("completion") or [])
    return _start(asked), _start(said)


def _start(text: str) -> str:
    words = " ".join(text.split())
    return f"{words[:SHOWN_LETTERS]}…" if len(words) > SHOWN_LETTERS else words


def _link(item: int) -> str:
    url = reverse("admin:vllm_curation_item_change", args=[item])
    link = (
        '<a class="text-primary-600 underline dark:text-primary-500" href="{}">{}</a>'
    )
    return format_html(link, url, item)
