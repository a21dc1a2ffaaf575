"""Cases P-X: cancelling and expiring (contract 8.4, 8.5)."""

import time

import httpx
import openai
import pytest

from tests.conformance.client import Api, envelope, jsonl, line

pytestmark = pytest.mark.conformance


def running(api: Api, *lines: dict[str, object], done: int) -> str:
    """Start a batch and wait until so many of its lines are done."""
    batch_id: str = api.mk(api.up(jsonl(*lines)).id).id
    ends_at = time.monotonic() + 30
    while api.batch(batch_id)["request_counts"]["completed"] < done:
        assert time.monotonic() < ends_at, api.batch(batch_id)
        time.sleep(0.05)
    return batch_id


def test_p_x01_finished_lines_of_a_cancelled_batch_are_delivered(api: Api):
    quick = [line(f"q{n}") for n in range(5)]
    slow = [line(f"s{n}", "SLEEP 2 x") for n in range(200)]
    batch_id = running(api, *quick, *slow, done=5)

    cancelled = api.client.batches.cancel(batch_id)
    batch = api.wait(batch_id)

    assert cancelled.status in ("cancelling", "cancelled") and cancelled.cancelling_at
    assert batch["status"] == "cancelled" and batch["completed_at"] is None
    assert batch["cancelled_at"] >= batch["cancelling_at"]
    ids = [item["custom_id"] for item in (*quick, *slow)]
    records = api.union(batch, ids).values()
    assert sum(kind == "out" for kind, _ in records) >= 5
    codes = {r["error"]["code"] for _, r in records if r["response"] is None}
    assert codes == {"batch_cancelled"}


def test_p_x02_a_completed_batch_cannot_be_cancelled(api: Api):
    batch = api.run(line("a"))
    requests: list[httpx.Request] = []
    client = openai.OpenAI(
        api_key=api.key,
        base_url=api.base_url,
        max_retries=2,
        http_client=openai.DefaultHttpxClient(
            event_hooks={"request": [requests.append]}
        ),
    )

    with pytest.raises(openai.ConflictError) as caught:
        client.batches.cancel(batch["id"])

    assert "Cannot cancel a batch with status 'completed'" in str(caught.value)
    assert caught.value.param is None and caught.value.code is None
    assert len(requests) == 1
    client.close()


def test_p_x03_a_failed_batch_cannot_be_cancelled(api: Api):
    batch = api.run("oops")
    response = api.raw("POST", f"/batches/{batch['id']}/cancel")
    envelope(response, 409, text="status 'failed'")


def test_p_x04_cancelling_a_cancelled_batch_changes_nothing(api: Api):
    batch_id = running(api, line("a"), line("b", "SLEEP 30 x"), done=1)
    api.client.batches.cancel(batch_id)
    batch = api.wait(batch_id)

    again = api.raw("POST", f"/batches/{batch_id}/cancel")

    assert again.status_code == 200 and again.json() == batch


def test_p_x05_an_unknown_batch_cannot_be_cancelled(api: Api):
    response = api.raw("POST", "/batches/batch_doesnotexist/cancel")
    envelope(response, 404, text="No batch found with id 'batch_doesnotexist'")


def test_p_x06_an_expired_batch_delivers_what_is_finished(api: Api):
    quick = [line(f"q{n}") for n in range(3)]
    slow = [line(f"s{n}", "SLEEP 60 x") for n in range(3)]
    file_id = api.up(jsonl(*quick, *slow)).id

    batch = api.wait(api.mk(file_id, completion_window="5s").id)

    assert batch["status"] == "expired" and batch["expired_at"]
    assert batch["completed_at"] is None
    assert batch["request_counts"] == {"total": 6, "completed": 3, "failed": 0}
    ids = [item["custom_id"] for item in (*quick, *slow)]
    records = api.union(batch, ids)
    for custom_id, (kind, record) in records.items():
        assert kind == ("out" if custom_id.startswith("q") else "err")
        if kind == "err":
            assert record["response"] is None
            assert record["error"]["code"] == "batch_expired"


def test_p_x07_a_batch_may_be_cancelled_at_once(api: Api):
    created = api.mk(api.up(jsonl(line("a", "SLEEP 5 x"))).id)
    assert api.raw("POST", f"/batches/{created.id}/cancel").status_code == 200

    batch = api.wait(created.id)

    assert batch["status"] == "cancelled" and batch["output_file_id"] is None


def test_p_x08_cancelling_twice_keeps_the_first_moment(api: Api):
    batch_id = running(api, line("a"), line("b", "SLEEP 30 x"), done=1)
    first = api.client.batches.cancel(batch_id)
    time.sleep(1.1)
    second = api.raw("POST", f"/batches/{batch_id}/cancel").json()

    assert second["cancelling_at"] == first.cancelling_at
    assert second["status"] in ("cancelling", "cancelled")


def test_deleting_the_input_of_a_running_batch_harms_nothing(api: Api):
    file = api.up(jsonl(line("a"), *(line(f"s{n}", "SLEEP 1 x") for n in range(5))))
    batch_id = api.mk(file.id).id
    api.wait(batch_id, until=("in_progress",))
    api.client.files.delete(file.id)

    batch = api.wait(batch_id)

    assert batch["status"] == "completed"
    api.union(batch, ["a", *(f"s{n}" for n in range(5))])
