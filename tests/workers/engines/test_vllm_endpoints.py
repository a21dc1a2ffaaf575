"""vLLM's endpoint functions answer what its whole app answers."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.marks import REAL_VLLM
from tests.workers.engines.probing import probe

pytestmark = [
    *REAL_VLLM,
    pytest.mark.timeout(600),
]
# What differs from one request to the next.
OWN = re.compile(r'"(id|request_id)":\s*"[^"]*"|"created":\s*\d+')
FAULTY = {"other model", "wrong type", "out of range", "too long", "not an object"}


@pytest.fixture(scope="module")
def reports(tiny_model: Path) -> dict[str, Any]:
    """Each request's answers, both ways, from one engine in a process of its own."""
    return probe("vllm_answers_probe", tiny_model)


def test_every_answer_is_the_apps_own(reports: dict[str, Any]):
    for name, row in reports.items():
        (status, body), (app_status, app_body) = row["direct"], row["app"]
        assert status == app_status, name
        assert OWN.sub("", body) == OWN.sub("", app_body), name


def test_good_requests_take_the_short_way(reports: dict[str, Any]):
    good = {name for name, row in reports.items() if row["direct"][0] == 200}

    assert good == {"chat", "logprobs", "two", "json", "completion"}
    assert all(reports[name]["is_direct"] for name in good)


def test_faulty_requests_are_refused(reports: dict[str, Any]):
    statuses = {name: reports[name]["direct"][0] for name in FAULTY}

    assert all(status in (400, 404, 422) for status in statuses.values()), statuses
    assert reports["no such endpoint"]["direct"][0] == 404
