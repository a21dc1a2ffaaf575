"""Cases P-O: running and results (contract 7, 8)."""

import json
import random
import time

import pytest

from tests.conformance.client import CMP, EMB, Api, answer, envelope, jsonl, line

pytestmark = pytest.mark.conformance
UNSET = ("failed_at", "expired_at", "cancelling_at", "cancelled_at", "errors")


def test_p_o01_a_completed_batch_has_its_times_and_counts(api: Api):
    batch = api.run(line("a"), line("b"), line("c"))

    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    assert batch["output_file_id"] and batch["error_file_id"] is None
    moments = ["created_at", "in_progress_at", "finalizing_at", "completed_at"]
    times = [batch[name] for name in moments]
    assert times == sorted(times) and batch["model"] == "stub"
    assert all(batch[name] is None for name in UNSET)


def test_p_o02_every_line_has_one_record(api: Api):
    records = api.union(api.run(line("a"), line("b"), line("c")), ["a", "b", "c"])

    request_ids = set()
    for _, record in records.values():
        assert isinstance(record["id"], str) and answer(record) == "hi"
        request_ids.add(record["response"]["request_id"])
    assert len(request_ids) == 3 and all(request_ids)


def test_p_o03_failures_are_in_the_error_file(api: Api):
    batch = api.run(line("ok"), line("bad", "HTTP 400"))

    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    kind, record = api.union(batch, ["ok", "bad"])["bad"]
    assert kind == "err" and record["error"] is None
    assert record["response"]["status_code"] == 400
    assert record["response"]["body"]["error"]["message"] == "stub 400"


def test_p_o04_a_batch_of_failures_is_completed(api: Api):
    batch = api.run(line("a", "HTTP 400"), line("b", "HTTP 422"))

    assert batch["status"] == "completed" and batch["output_file_id"] is None
    assert batch["error_file_id"] and batch["errors"] is None
    assert batch["request_counts"] == {"total": 2, "completed": 0, "failed": 2}


def test_p_o05_answers_stay_with_their_custom_id(api: Api):
    ids = [f"id-{number}" for number in range(50)]
    batch = api.run(*(line(i, f"SLEEP {random.random():.2f} {i}") for i in ids))

    for custom_id, (_, record) in api.union(batch, ids).items():
        assert answer(record) == custom_id


def test_p_o06_usage_adds_up_the_successes(api: Api):
    batch = api.run(*(line(c) for c in "abcd"), line("bad", "HTTP 400"))
    assert batch["usage"] == {
        "input_tokens": 28,
        "input_tokens_details": {"cached_tokens": 8},
        "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 40,
    }


def test_p_o07_result_files_are_files(api: Api):
    batch = api.run(line("ok"), line("bad", "HTTP 400"))
    listed = api.raw("GET", "/files?purpose=batch_output").json()["data"]

    for file_id in (batch["output_file_id"], batch["error_file_id"]):
        file = api.raw("GET", f"/files/{file_id}").json()
        content = api.raw("GET", f"/files/{file_id}/content").content
        assert file["purpose"] == "batch_output" and file["status"] == "processed"
        assert file["bytes"] == len(content) and file["filename"].endswith(".jsonl")
        assert file in listed


def test_p_o08_embeddings_run(api: Api):
    batch = api.run(line("e", "ECHO x", url=EMB), endpoint=EMB)
    _, record = api.union(batch, ["e"])["e"]
    assert isinstance(record["response"]["body"]["data"][0]["embedding"], list)
    assert batch["usage"]["input_tokens"] == 7 and batch["usage"]["output_tokens"] == 0


def test_p_o09_completions_run(api: Api):
    batch = api.run(line("c", "ECHO x", url=CMP), endpoint=CMP)
    _, record = api.union(batch, ["c"])["c"]
    assert record["response"]["body"]["choices"][0]["text"] == "x"


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/responses", {"input": "ECHO x"}),
        ("/v1/score", {"queries": "ECHO x", "documents": ["y"]}),
        ("/v1/rerank", {"query": "ECHO x", "documents": ["y", "z"]}),
    ],
)
def test_the_other_endpoints_run(api: Api, endpoint: str, body: dict[str, object]):
    item = line("a", url=endpoint)
    item["body"] = {"model": "stub", **body}
    batch = api.run(item, endpoint=endpoint)
    assert api.union(batch, ["a"])["a"][0] == "out"
    assert batch["usage"]["input_tokens"] == 7


def test_p_o10_a_batch_only_moves_forward(api: Api):
    order = ["validating", "in_progress", "finalizing", "completed"]
    lines = (line(f"{n}", f"SLEEP {n / 20} x") for n in range(40))
    batch_id = api.mk(api.up(jsonl(*lines)).id).id
    seen = [api.batch(batch_id)]
    while seen[-1]["status"] != "completed":
        time.sleep(0.05)
        seen.append(api.batch(batch_id))

    places = [order.index(batch["status"]) for batch in seen]
    assert places == sorted(places)
    for earlier, later in zip(seen, seen[1:], strict=False):
        for key, value in earlier.items():
            if key.endswith("_at") and value is not None:
                assert later[key] == value
        old, new = earlier["request_counts"], later["request_counts"]
        assert all(old[key] <= new[key] for key in old)
        assert new["completed"] + new["failed"] <= new["total"]


def test_p_o11_deleting_the_output_leaves_the_batch(api: Api):
    batch = api.run(line("a"))
    api.client.files.delete(batch["output_file_id"])

    assert api.batch(batch["id"]) == batch
    envelope(api.raw("GET", f"/files/{batch['output_file_id']}/content"), 404)


def test_vllm_errors_are_rewritten(api: Api):
    batch = api.run(line("a", "VLLMERR"), line("b"))
    _, record = api.union(batch, ["a", "b"])["a"]
    error = record["response"]["body"]["error"]
    assert error["message"] == "bad" and error["type"] == "invalid_request_error"
    assert error["param"] is None and error["code"] is None


def test_a_flaky_engine_is_asked_again(api: Api):
    mark = random.random()
    batch = api.run(line("a", f"FLAKY 503 2 fine{mark}"))
    _, record = api.union(batch, ["a"])["a"]
    assert answer(record) == f"fine{mark}"


@pytest.mark.parametrize("directive", ["DROP", "HTML502", "HTTP 503", "HTTP 429"])
def test_a_line_that_always_fails_ends_in_the_error_file(api: Api, directive: str):
    batch = api.run(line("a", f"{directive}"), line("b"))
    kind, record = api.union(batch, ["a", "b"])["a"]
    assert batch["status"] == "completed" and kind == "err"
    assert record["response"]["status_code"] in (429, 502, 503)
    assert record["response"]["body"]["error"]["message"]


def test_line_separators_in_answers_are_escaped(api: Api):
    batch = api.run(line("a", "SEP"))
    content = api.raw("GET", f"/files/{batch['output_file_id']}/content").text
    assert len(content.splitlines()) == 1
    assert answer(json.loads(content)) == "a\u2028b\u2029c\u0085d"


def test_a_lone_surrogate_in_an_answer_is_kept(api: Api):
    batch = api.run(line("a", "SURR"))
    _, record = api.union(batch, ["a"])["a"]
    assert answer(record) == "\ud83d"


def test_the_engine_gets_the_clients_own_bytes(api: Api):
    body = (
        '{ "model":"stub",  "messages":[{"role":"user","content":"BODY"}],'
        '"seed":18446744073709551616,"logit_bias":{"1":1.50}, "user":"\\u00e9é" }'
    )
    keys = '"custom_id":"a","method":"POST","url":"/v1/chat/completions"'
    text = f'{{{keys},"body":{body}}}'
    _, record = api.union(api.run(text), ["a"])["a"]
    assert answer(record) == body
