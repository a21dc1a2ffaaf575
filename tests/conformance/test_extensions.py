"""What goes beyond OpenAI: retries, results while a batch runs, why it waits."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.conformance.client import Api, answer, envelope, jsonl, line
from tests.rig.process import ROOT
from tests.rig.stack import PYTHON, Stack

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(180)]

# Each fails once with a status that is never tried again, and works the second time.
FLAKY = "FLAKY 400 1 at last"


def flaky(custom_id: str) -> dict[str, Any]:
    """Return a line with a prompt of its own: the stub counts calls by prompt."""
    return line(custom_id, f"{FLAKY} {custom_id} {time.monotonic_ns()}")


def retry(api: Api, batch: Any, **body: Any) -> Any:
    response = api.raw("POST", f"/batches/{batch['id']}/retry", json=body)
    assert response.status_code == 200, response.text
    return api.wait(response.json()["id"])


def results(api: Api, batch_id: str, after: str = "") -> tuple[list[Any], str]:
    """Return the records after a cursor, and the next cursor."""
    query = {"after": after} if after else {}
    response = api.raw("GET", f"/batches/{batch_id}/results", params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/jsonl"
    assert response.content == b"" or response.content.endswith(b"\n")
    records = [json.loads(text) for text in response.content.split(b"\n")[:-1]]
    return records, response.headers["x-next-cursor"]


def names(records: list[Any]) -> list[str]:
    return sorted(record["custom_id"] for record in records)


def test_failed_lines_run_again_and_succeed(api: Api):
    parent = api.run(line("good"), flaky("f1"), flaky("f2"))
    assert parent["request_counts"] == {"total": 3, "completed": 1, "failed": 2}

    child = retry(api, parent)

    assert child["status"] == "completed"
    assert child["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
    assert child["vllm_batch"]["parent_id"] == parent["id"]
    found = api.union(child, ["f1", "f2"])
    assert all(kind == "out" for kind, _ in found.values())
    assert answer(found["f1"][1]).startswith("at last f1")


def test_a_merged_retry_holds_every_line_of_its_parent_once(api: Api):
    items = [line("good"), flaky("f1"), flaky("f2"), line("bad", "HTTP 404")]
    parent = api.run(*items)

    child = retry(api, parent, merge=True, custom_ids=["f1"])

    found = api.union(child, ["good", "f1", "f2", "bad"])
    kinds = {name: kind for name, (kind, _) in found.items()}
    assert kinds == {"good": "out", "f1": "out", "f2": "err", "bad": "err"}
    assert child["request_counts"] == {"total": 1, "completed": 1, "failed": 0}
    before = api.union(parent, kinds)
    unchanged = [found[name] == before[name] for name in ("good", "f2", "bad")]
    assert unchanged == [True, True, True]


def test_lines_that_expired_can_be_retried(api: Api):
    items = [line("done"), line("late", f"SLEEP 7 {time.monotonic_ns()}")]
    parent = api.run(*items, completion_window="5s")
    assert parent["status"] == "expired"

    response = api.raw(
        "POST", f"/batches/{parent['id']}/retry", json={"causes": ["batch_expired"]}
    )

    child = response.json()
    assert response.status_code == 200 and child["completion_window"] == "5s"
    content = api.raw("GET", f"/files/{child['input_file_id']}/content").content
    assert content == jsonl(items[1])


def test_a_retry_is_safe_to_repeat(api: Api):
    parent = api.run(flaky("f1"))
    headers = {"Idempotency-Key": "again"}
    path = f"/batches/{parent['id']}/retry"

    first, second = (api.raw("POST", path, headers=headers) for _ in range(2))

    assert first.json()["id"] == second.json()["id"]
    envelope(api.raw("POST", path, headers=headers, json={"merge": True}), 409)


def test_what_cannot_be_retried_says_why(api: Api, stranger: Api):
    good = api.run(line("a"))
    path = f"/batches/{good['id']}/retry"

    envelope(api.raw("POST", path), 409, text="no error file")
    envelope(stranger.raw("POST", path), 404)
    bad = {"causes": ["boredom"]}
    envelope(api.raw("POST", path, json=bad), 400, param="causes")
    running = api.mk(api.up(jsonl(line("slow", "SLEEP 2"))).id).id
    envelope(api.raw("POST", f"/batches/{running}/retry"), 409, text="Cannot retry")
    api.wait(running)


def test_results_are_there_while_the_batch_runs(api: Api):
    items = [line("a"), line("b", "HTTP 404"), line("slow", "SLEEP 6")]
    batch_id = api.mk(api.up(jsonl(*items)).id).id
    ends_at = time.monotonic() + 20
    early: list[Any] = []
    cursor = ""
    while len(early) < 2 and time.monotonic() < ends_at:
        new, cursor = results(api, batch_id, cursor)
        early += new
        time.sleep(0.2)
    assert api.batch(batch_id)["status"] == "in_progress"
    assert names(early) == ["a", "b"]

    batch = api.wait(batch_id)

    late, end = results(api, batch_id, cursor)
    assert names(late) == ["slow"]
    assert results(api, batch_id, end) == ([], end)
    kept = [record for _, record in api.union(batch, ["a", "b", "slow"]).values()]
    by_name = {record["custom_id"]: record for record in kept}
    assert {record["custom_id"]: record for record in early + late} == by_name


def test_results_of_an_ended_batch_are_its_files(api: Api):
    batch = api.run(line("a"), line("b", "HTTP 404"))

    response = api.raw("GET", f"/batches/{batch['id']}/results")

    files = [batch["output_file_id"], batch["error_file_id"]]
    contents = [api.raw("GET", f"/files/{name}/content").content for name in files]
    assert response.content == b"".join(contents)


def test_a_wrong_cursor_and_a_strangers_batch_are_refused(api: Api, stranger: Api):
    path = f"/batches/{api.run(line('a'))['id']}/results"

    envelope(api.raw("GET", path, params={"after": "x"}), 400, param="after")
    envelope(stranger.raw("GET", path), 404)


def test_the_batch_object_says_why_it_waits(api: Api):
    items = [line("a", model="stub-2"), line("b", "SLEEP 1", model="stub-2")]
    batch_id = api.mk(api.up(jsonl(*items)).id).id
    seen = set()
    while (batch := api.batch(batch_id))["status"] != "completed":
        waiting = batch["vllm_batch"]["waiting"]
        seen.add(waiting and waiting["code"])
        time.sleep(0.02)

    assert batch["vllm_batch"]["waiting"] is None
    assert None in seen and "validating" in seen
    rest = {"queued", "other_model", "model_loading", "finalizing"}
    assert seen <= {None, "validating", *rest}


def test_an_upload_that_would_fill_the_disk_is_507(api: Api, stack: Stack):
    web = stack.launch(
        "full", PYTHON, "-m", "gunicorn", f"{stack.site.package}.wsgi",
        "--config", str(ROOT / "vllm_batch/gunicorn.py"), "--bind", "127.0.0.1:0",
        DISK_RESERVE_BYTES=str(1 << 60),
    )  # fmt: skip
    try:
        address = web.wait_for(r"Listening at: (http://\S+)")[1]
        file = {"file": ("in.jsonl", jsonl(line("a")))}
        response = httpx.post(
            f"{address}{stack.site.api_path}/files",
            headers={"Authorization": f"Bearer {api.key}"},
            data={"purpose": "batch"},
            files=file,
            trust_env=False,
            timeout=60,  # its processes only start
        )
    finally:
        web.stop()

    envelope(response, 507, code="insufficient_storage", type="server_error")
    assert 1 <= int(response.headers["retry-after"]) <= 120


@pytest.mark.parametrize("priority", [7, 7.0, -10.0])
def test_a_whole_number_is_an_integer_however_it_is_written(api: Api, priority: float):
    file = api.up(jsonl(line("1")))
    made = api.create(input_file_id=file.id, vllm_batch={"priority": priority})

    assert made.status_code == 200, made.text


@pytest.mark.parametrize("priority", [7.5, True, "7", None])
def test_what_is_no_integer_is_refused(api: Api, priority: object):
    file = api.up(jsonl(line("1")))
    made = api.create(input_file_id=file.id, vllm_batch={"priority": priority})

    envelope(made, 400, param="vllm_batch.priority", code="invalid_type")
