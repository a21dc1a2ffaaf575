"""The checker sees each kind of damage, and none where there is none."""

import json
from typing import Any

import pytest

from tests.rig.checker import Event, Verdict, judge, sha256
from tests.rig.history import lines

pytestmark = pytest.mark.faults

INPUT = lines("a", 3)


def record(index: int, answer: str = "", **changes: Any) -> bytes:
    """Return an output line."""
    message = {"role": "assistant", "content": answer or f"a-{index}"}
    body = {"choices": [{"message": message}], "usage": {"total_tokens": 10}}
    response = {"status_code": 200, "body": body}
    found = {"id": f"r{index}", "custom_id": f"a-{index}", "response": response}
    return json.dumps({**found, "error": None, **changes}).encode() + b"\n"


def status(name: str, completed: int = 0, failed: int = 0) -> Event:
    counts = {"total": 3, "completed": completed, "failed": failed}
    return {"op": "status", "batch": "b", "status": name, "counts": counts}


def history(output: bytes, *polls: Event, **changes: Any) -> list[Event]:
    """Return a batch's history that ended with this output."""
    counts = {"total": 3, "completed": 3, "failed": 0}
    result = {
        "op": "result",
        "batch": "b",
        "status": "completed",
        "output": output,
        "error": b"",
        "counts": counts,
        "usage": {"total_tokens": 30},
        **changes,
    }
    return [
        {"op": "uploaded", "file": "f", "sha256": sha256(INPUT)},
        {"op": "created", "batch": "b", "file": "f"},
        *polls,
        result,
        {"op": "content", "file": "f", "sha256": sha256(INPUT)},
    ]


def verdict(events: list[Event]) -> Verdict:
    return judge(events, {"f": INPUT})


GOOD = record(0) + record(1) + record(2)


def test_a_good_history_is_green():
    polls = [status("validating"), status("in_progress", 1), status("completed", 3)]

    found = verdict(history(GOOD, *polls))

    assert found.is_green, found
    assert found.lines == 3


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (record(0) + record(1), "lost"),
        (GOOD + record(1, id="r9"), "doubled"),
        (GOOD + record(7), "invented"),
        (GOOD[:-1], "does not end with its line"),
        (GOOD[:-30] + b"\n", "torn"),
        (record(0) + record(1) + record(2, "a-1"), "another line's answer"),
        (record(0) + record(1) + record(2, id="r1"), "two records have one id"),
    ],
)
def test_a_damaged_output_is_red(output, complaint):
    assert complaint in str(verdict(history(output)))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"counts": {"total": 3, "completed": 2, "failed": 0}}, "it counts"),
        ({"usage": {"total_tokens": 40}}, "usage 40"),
    ],
)
def test_wrong_sums_are_red(changes, complaint):
    assert complaint in str(verdict(history(GOOD, **changes)))


@pytest.mark.parametrize(
    ("polls", "complaint"),
    [
        ([status("completed", 3), status("in_progress", 3)], "went from completed"),
        ([status("cancelled"), status("completed", 3)], "went from cancelled"),
        ([status("in_progress", 2), status("in_progress", 1)], "went back"),
    ],
)
def test_a_status_or_count_that_goes_back_is_red(polls, complaint):
    assert complaint in str(verdict(history(GOOD, *polls)))


@pytest.mark.parametrize("found", [sha256(b"other"), None])
def test_a_lost_upload_is_red(found):
    events = history(GOOD)
    events[-1]["sha256"] = found

    assert "is lost or not what was sent" in str(verdict(events))


def test_a_batch_without_its_end_is_red():
    events = [event for event in history(GOOD) if event["op"] != "result"]

    assert "0 results" in str(verdict(events))


def failed(index: int, code: str, *, has_run: bool) -> bytes:
    """Return an error line."""
    fault = {"code": code, "message": "no"}
    response = {"status_code": 500, "body": {"error": fault}} if has_run else None
    return record(index, response=response, error=None if has_run else fault)


def counts(completed: int) -> dict[str, int]:
    return {"total": 3, "completed": completed, "failed": 3 - completed}


@pytest.mark.parametrize("code", ["engine_crash", "connection"])
def test_a_healthy_line_that_failed_is_red(code):
    error = failed(2, code, has_run=True)
    events = history(record(0) + record(1), error=error, counts=counts(2))

    assert "healthy line a-2 got an error record" in str(verdict(events))


def test_a_line_that_is_to_fail_may_fail():
    poison = lines("a", 3, "DIE")
    error = b"".join(failed(index, "engine_crash", has_run=True) for index in range(3))
    events = history(b"", error=error, counts=counts(0))
    events[0]["sha256"] = events[-1]["sha256"] = sha256(poison)

    found = judge(events, {"f": poison})

    assert found.is_green, found


@pytest.mark.parametrize(
    ("status", "is_green"), [("cancelled", True), ("completed", False)]
)
def test_a_line_may_not_have_run_if_its_batch_was_stopped(status, is_green):
    error = failed(2, "batch_cancelled", has_run=False)
    events = history(
        record(0) + record(1), error=error, counts=counts(2), status=status
    )

    assert verdict(events).is_green is is_green
