"""Cases P-V: validation of the input file (contract 6)."""

import json

import pytest

from tests.conformance.client import CHAT, EMB, Api, Json, failed_with, jsonl, line

pytestmark = pytest.mark.conformance


def message(batch: Json, index: int = 0) -> str:
    return str(batch["errors"]["data"][index]["message"])


def run_bytes(api: Api, data: bytes) -> Json:
    return api.wait(api.mk(api.up(data).id).id)


def without(key: str, custom_id: str) -> Json:
    return {k: v for k, v in line(custom_id).items() if k != key}


def test_p_v01_a_line_that_is_no_json(api: Api):
    batch = api.run(line("a"), "{invalid json here")
    failed_with(batch, ("invalid_json_line", 2, None))
    assert "not parseable as valid JSON" in message(batch)


def test_p_v02_each_missing_key_is_named(api: Api):
    keys = ["custom_id", "method", "url", "body"]
    batch = api.run(*(without(key, f"id-{key}") for key in keys))
    wanted = [
        ("missing_required_parameter", number, key)
        for number, key in enumerate(keys, 1)
    ]
    failed_with(batch, *wanted)


def test_p_v03_the_url_is_the_batch_endpoint(api: Api):
    batch = api.run(line("a", url=EMB), endpoint=CHAT)
    faults = batch["errors"]["data"]
    assert faults[0]["code"] == "invalid_url" and faults[0]["param"] == "url"
    assert faults[0]["line"] == 1 and "does not match" in message(batch)


def test_p_v03_a_wrong_url_alone_is_one_fault(api: Api):
    batch = api.run({**line("a"), "url": EMB}, endpoint=CHAT)
    failed_with(batch, ("invalid_url", 1, "url"))


def test_p_v04_streaming_is_refused(api: Api):
    batch = api.run(line("a"), line("b", stream=True))
    failed_with(batch, ("streaming_unsupported", 2, "body.stream"))
    assert batch["request_counts"]["completed"] == 0


def test_p_v05_an_unknown_model_is_refused(api: Api):
    batch = api.run(line("a", model="nonexistent-model-xyz"))
    failed_with(batch, ("model_not_found", 1, "body.model"))
    assert "not supported" in message(batch)


def test_p_v06_model_and_messages_are_required(api: Api):
    first, second = line("a"), line("b")
    del first["body"]["model"]
    del second["body"]["messages"]
    failed_with(
        api.run(first, second),
        ("invalid_request", 1, "body.model"),
        ("invalid_request", 2, "body.messages"),
    )


def test_p_v07_a_custom_id_is_unique(api: Api):
    batch = api.run(line("a"), line("b"), line("a"))
    failed_with(batch, ("duplicate_custom_id", 3, "custom_id"))
    assert "'a'" in message(batch)


def test_p_v08_one_model_a_batch(api: Api):
    batch = api.run(line("a"), line("b", model="stub-2"))
    failed_with(batch, ("mismatched_model", 2, "body.model"))


@pytest.mark.parametrize("data", [b"\n \n\t\n", b"", b"\xef\xbb\xbf\n"])
def test_p_v09_a_file_without_requests_fails(api: Api, data: bytes):
    failed_with(run_bytes(api, data), ("empty_file", None, None))


def test_p_v10_blank_lines_are_skipped(api: Api):
    batch = api.run(line("a"), "", "   ", line("b"))
    assert batch["status"] == "completed" and batch["request_counts"]["total"] == 2


def test_p_v10_blank_lines_count_for_line_numbers(api: Api):
    failed_with(api.run(line("a"), "", "oops"), ("invalid_json_line", 3, None))


def test_p_v11_crlf_is_white_space(api: Api):
    batch = run_bytes(api, jsonl(line("a"), line("b"), sep="\r\n", end="\r\n"))
    assert batch["request_counts"]["total"] == 2
    api.union(batch, ["a", "b"])


def test_p_v12_the_final_newline_is_optional(api: Api):
    batch = run_bytes(api, jsonl(line("a"), line("b"), end=""))
    assert batch["status"] == "completed" and batch["request_counts"]["total"] == 2


def test_p_v13_a_failed_batch_has_nothing_else(api: Api):
    batch = api.run("oops")
    assert batch["failed_at"] >= batch["created_at"]
    unset = ["in_progress_at", "completed_at", "output_file_id", "error_file_id"]
    assert all(batch[key] is None for key in unset)
    assert batch["request_counts"]["completed"] == 0


def test_p_v14_a_byte_order_mark_is_skipped(api: Api):
    batch = run_bytes(api, b"\xef\xbb\xbf" + jsonl(line("a"), line("b")))
    assert batch["status"] == "completed"
    api.union(batch, ["a", "b"])


def test_p_v15_other_body_keys_are_the_engines(api: Api):
    batch = api.run(line("a", stream=False), line("b", temperature=0, top_k=3))
    assert batch["status"] == "completed"


def test_p_v16_the_method_is_post(api: Api):
    batch = api.run(line("a"), {**line("b"), "method": "GET"})
    failed_with(batch, (None, 2, "method"))


@pytest.mark.parametrize("text", ["42", "[1]", "null", '"x"', "true"])
def test_p_v17_a_line_is_an_object(api: Api, text: str):
    failed_with(api.run(line("a"), text), (None, 2, ...))


@pytest.mark.parametrize(
    "text",
    [
        '{"custom_id": "b", "body": NaN}',
        "{'custom_id': 'b'}",
        '{"custom_id": "b",}',
        "[" * 2000 + "]" * 2000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        '{"custom_id": "\x01"}',
    ],
)
def test_odd_json_is_a_fault_of_its_line(api: Api, text: str):
    failed_with(api.run(line("a"), text), ("invalid_json_line", 2, None))


@pytest.mark.parametrize(
    ("key", "value"),
    [("custom_id", 5), ("method", 1), ("url", None), ("body", [1]), ("body", None)],
)
def test_a_key_of_a_wrong_type_is_named(api: Api, key: str, value: object):
    batch = api.run(line("a"), {**line("b"), key: value})
    failed_with(batch, ("invalid_type", 2, key))


@pytest.mark.parametrize("custom_id", ["", "a\0b"])
def test_a_custom_id_nothing_can_match_is_refused(api: Api, custom_id: str):
    failed_with(api.run(line(custom_id)), ("invalid_value", 1, "custom_id"))


def test_all_faults_are_reported_in_line_order(api: Api):
    bad = ["oops", line("x", model="nope"), {**line("y"), "method": "PUT"}]
    batch = api.run(*bad, line("ok"), {**line("ok"), "url": EMB})
    numbers = [fault["line"] for fault in batch["errors"]["data"]]
    assert numbers == [1, 2, 3, 5, 5]


def test_too_many_requests_fail_the_batch(api: Api):
    text = json.dumps(line("ID"))
    lines = [text.replace('"ID"', f'"{number}"') for number in range(50_001)]
    failed_with(run_bytes(api, jsonl(*lines)), ("too_many_tasks", None, None))


def test_long_and_odd_custom_ids_are_echoed(api: Api):
    ids = ["x" * 600, '数据 ✓ \u2028 " \\ /', "a,b;c\td", " ", "\U0001f600"]
    batch = api.run(*(line(custom_id) for custom_id in ids))
    api.union(batch, ids)
