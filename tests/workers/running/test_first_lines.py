"""A batch's first lines run before the rest, and decide whether it runs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings

from batches import pause_actions
from batches.models import BatchJob
from tests.factories import (
    line,
    make_batch,
    make_client,
    make_model,
    make_running_batch,
)
from tests.workers.runs import end, in_thread, records, union
from tests.workers.warm_slots import open_slot
from workers.engines.base import Answer
from workers.engines.stub import StubEngine
from workers.models import ServedModel
from workers.running import feeding

__all__ = ["open_slot"]

pytestmark = pytest.mark.django_db(transaction=True)
asked: list[str] = []
GOOD, BAD = "ECHO fine", "HTTP 422"


class Noted(StubEngine):
    """A stub engine that notes what it is asked, and cuts answers off if asked to."""

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer."""
        prompt = json.loads(body)["messages"][-1]["content"]
        asked.append(prompt)
        answer = await super().post(url, body)
        if "CUT" in prompt:
            return Answer(200, answer.body.replace(b'"stop"', b'"length"'))
        return answer


@pytest.fixture(autouse=True)
def noted(settings: Any) -> Iterator[None]:
    """Use the engine above."""
    asked.clear()
    settings.ENGINES = {**django_settings.ENGINES, "noted": f"{__name__}.Noted"}
    make_model("stub", engine="noted")
    yield


def canary(lines: int, failed: float = 0.1, cut_off: float = 0.2) -> dict[str, Any]:
    return {"lines": lines, "max_failed_share": failed, "max_cut_off_share": cut_off}


def make(first: list[str], rest: list[str], **fields: Any) -> BatchJob:
    """Make a batch whose first lines are to be tried."""
    prompts = [*first, *rest]
    items = [line(f"l{number}", prompt) for number, prompt in enumerate(prompts)]
    fields.setdefault("canary", canary(len(first)))
    return make_running_batch(*items, **fields)


def shown(batch: BatchJob) -> dict[str, Any]:
    url = f"/v1/batches/{batch.pk}"
    found: dict[str, Any] = make_client(batch.project).get(url).json()
    return found


def results(batch: BatchJob) -> list[str]:
    client = make_client(batch.project)
    response = client.get(f"/v1/batches/{batch.pk}/results")
    body = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    return sorted(json.loads(row)["custom_id"] for row in body.splitlines())


def test_the_rest_runs_by_itself_after_good_first_lines(open_slot):
    batch = make([GOOD] * 3, ["ECHO later"] * 4)

    open_slot().serve()

    assert end(batch).status == "completed" and batch.completed == 7
    assert asked[:3] == [GOOD] * 3
    assert shown(batch)["vllm_batch"]["canary"]["state"] == "passed"


def test_nothing_else_starts_before_they_are_through(open_slot):
    make(["SLEEP 0.3 slow", GOOD], ["ECHO later"] * 20)

    open_slot().serve()

    last_first = asked.index("ECHO later")
    assert sorted(asked[:last_first]) == [GOOD, "SLEEP 0.3 slow"]


def test_other_batches_go_on_meanwhile(open_slot):
    make(["SLEEP 0.3 slow"], ["ECHO later"])
    other = make_running_batch(line("o", "ECHO other"))

    open_slot().serve()

    assert asked.index("ECHO other") < asked.index("ECHO later")
    assert end(other).status == "completed"


def test_bad_first_lines_hold_the_batch_and_say_why(open_slot):
    batch = make([BAD, GOOD, BAD, GOOD], ["ECHO later"] * 4)

    open_slot().serve()

    found = shown(batch)["vllm_batch"]
    assert found["waiting"] == {
        "code": "paused",
        "message": "The batch is paused: 2 of 4 first lines failed; limit 10 %",
    }
    assert found["canary"] == {
        "lines": 4,
        "state": "held",
        "failed": 2,
        "cut_off": 0,
        "max_failed_share": 0.1,
        "max_cut_off_share": 0.2,
    }
    assert "ECHO later" not in asked and results(batch) == ["l0", "l1", "l2", "l3"]


def test_first_lines_that_are_cut_off_hold_it_too(open_slot):
    batch = make(["ECHO CUT"] * 2 + [GOOD] * 2, ["ECHO later"])

    open_slot().serve()

    reason = shown(batch)["vllm_batch"]["waiting"]["message"]
    assert "2 of 4 first lines were cut off; limit 20 %" in reason


def test_a_share_that_is_just_reached_is_borne(open_slot):
    batch = make([BAD, GOOD], ["ECHO later"], canary=canary(2, failed=0.5))

    open_slot().serve()

    assert end(batch).status == "completed"


def test_a_held_batch_goes_on_once_it_is_resumed(open_slot):
    batch = make([BAD, GOOD], ["ECHO later"] * 3)
    slot = open_slot()
    slot.serve()

    make_client(batch.project).post(f"/v1/batches/{batch.pk}/resume")
    slot.serve()

    assert end(batch).status == "completed"
    assert (batch.completed, batch.failed) == (4, 1)
    found = shown(batch)["vllm_batch"]["canary"]
    assert (found["state"], found["failed"]) == ("resumed", 1)
    assert union(batch) == [f"l{number}" for number in range(5)]


def test_a_held_batch_can_be_cancelled(open_slot):
    batch = make([BAD], ["ECHO later"] * 2)
    slot = open_slot()
    slot.serve()

    make_client(batch.project).post(f"/v1/batches/{batch.pk}/cancel")

    assert end(batch).status == "cancelled"
    assert union(batch) == ["l0", "l1", "l2"] and "ECHO later" not in asked


def test_a_batch_of_first_lines_only_just_ends(open_slot):
    batch = make([BAD, GOOD], [])

    open_slot().serve()

    assert end(batch).status == "completed" and batch.paused_reason == ""
    assert shown(batch)["vllm_batch"]["canary"]["state"] == "held"


def test_several_chunks_of_first_lines_are_judged_together(open_slot, configure):
    configure(BATCH_CHUNK_LINES=2)
    batch = make([BAD, BAD, GOOD, GOOD, GOOD], ["ECHO later"] * 3)

    open_slot().serve()

    reason = shown(batch)["vllm_batch"]["waiting"]["message"]
    assert "2 of 5 first lines failed" in reason and "ECHO later" not in asked


def test_equal_lines_across_the_border_run_once(open_slot, monkeypatch):
    # One run of the slot for both: answers are remembered so long.
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 1.0)
    same = line("x", "ECHO same", temperature=0)
    items = [{**same, "custom_id": f"l{number}"} for number in range(6)]
    batch = make_running_batch(*items, canary=canary(2))

    open_slot().serve()

    assert end(batch).status == "completed" and union(batch) == [
        f"l{number}" for number in range(6)
    ]
    assert (asked, batch.folded) == (["ECHO same"], 5)


def test_pausing_loses_and_doubles_nothing(open_slot, monkeypatch):
    """Pause in the middle, let it come to rest, resume, and look at every line."""
    prompts = [f"SLEEP 0.02 {number}" for number in range(60)]
    items = [line(f"l{number}", prompt) for number, prompt in enumerate(prompts)]
    batch = make_running_batch(*items)
    ServedModel.objects.update(engine_args={"concurrency": 4})
    paused: list[bool] = []
    post = Noted.post

    async def pausing(self: Noted, url: str, body: bytes) -> Answer:
        if len(asked) == 10 and not paused:
            paused.append(True)
            await in_thread(lambda: pause_actions.pause(batch, "a look"))
        return await post(self, url, body)

    monkeypatch.setattr(Noted, "post", pausing)
    monkeypatch.setattr("workers.running.runner.WATCH_SECONDS", 0.01)
    slot = open_slot()

    slot.serve()

    batch.refresh_from_db()
    at_rest = (batch.status, batch.completed)
    assert at_rest == ("in_progress", len(asked)) and 10 < len(asked) < 60
    assert not batch.chunks.exclude(lease_owner="").exists()
    pause_actions.resume(batch)
    slot.serve()
    assert end(batch).status == "completed" and len(asked) == 60
    assert len(records(batch.output_file_id)) == 60


def test_a_batch_that_is_cancelled_while_it_pauses_lets_go_at_once(
    open_slot, monkeypatch
):
    batch = make_running_batch(line("a", "SLEEP 600 never"), line("b", GOOD))
    monkeypatch.setattr("workers.running.runner.WATCH_SECONDS", 0.01)
    post = Noted.post

    async def stopping(self: Noted, url: str, body: bytes) -> Answer:
        if "SLEEP" in body.decode():
            await in_thread(lambda: pause_actions.pause(batch))
            url_ = f"/v1/batches/{batch.pk}/cancel"
            await in_thread(lambda: make_client(batch.project).post(url_))
        return await post(self, url, body)

    monkeypatch.setattr(Noted, "post", stopping)

    open_slot().serve()

    assert end(batch).status == "cancelled" and union(batch) == ["a", "b"]


def test_a_retry_of_a_batch_has_no_first_lines(open_slot):
    batch = make([BAD], [BAD], canary=canary(1, failed=1))
    open_slot().serve()
    end(batch)

    url, json_type = f"/v1/batches/{batch.pk}/retry", "application/json"
    response = make_client(batch.project).post(url, content_type=json_type)

    assert response.json()["vllm_batch"]["canary"] is None


def test_it_is_not_validated_twice_with_another_plan(open_slot):
    batch = make_batch(line("a"), line("b"), canary=canary(1))

    end(batch)
    open_slot().serve()

    assert end(batch).status == "completed" and batch.completed == 2
