"""Dry runs: a batch is validated and looked at, and never run. No tokenizer here."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from batches.models import BatchJob, Chunk, HandlerRun
from batches.preflight import LISTED_LINES
from batches.tasks import attend
from tests.batches.handlers.cast import make_endpoint
from tests.factories import (
    CHAT,
    EMBEDDINGS,
    jsonl,
    line,
    lines,
    make_batch,
    make_client,
    make_file,
    make_model,
    make_project,
)

pytestmark = pytest.mark.django_db
BATCHES = "/admin/vllm_batches/batchjob/"
ZERO: dict[str, Any] = {"temperature": 0}


@pytest.fixture(autouse=True)
def model() -> Any:
    return make_model("stub", engine_args={"max_model_len": 100})


def dry_run(*items: Any, endpoint: str = CHAT) -> dict[str, Any]:
    """Order a dry run over HTTP, let the ops task do its part, and fetch the batch."""
    project = make_project()
    client = make_client(project)
    order = {
        "input_file_id": make_file(jsonl(*items), project).pk,
        "endpoint": endpoint,
        "completion_window": "24h",
        "vllm_batch": {"dry_run": True},
    }
    made = client.post("/v1/batches", order, content_type="application/json")
    assert made.status_code == 200, made.content
    attend(made.json()["id"])
    found: dict[str, Any] = client.get(f"/v1/batches/{made.json()['id']}").json()
    return found


def report(*items: Any, **details: Any) -> dict[str, Any]:
    batch = dry_run(*items, **details)
    assert batch["status"] == "completed", batch["errors"]
    found: dict[str, Any] = batch["vllm_batch"]["preflight"]
    return found


def test_a_dry_run_completes_without_files_and_without_a_chunk():
    batch = dry_run(*lines(3))

    assert (batch["status"], batch["in_progress_at"]) == ("completed", None)
    assert batch["request_counts"] == {"total": 3, "completed": 0, "failed": 0}
    assert batch["output_file_id"] is None and batch["error_file_id"] is None
    assert batch["vllm_batch"]["dry_run"] and not Chunk.objects.exists()


def test_a_dry_run_of_a_faulty_file_fails_with_its_faults():
    batch = dry_run(line("a"), "no json")

    assert batch["status"] == "failed"
    assert batch["errors"]["data"][0]["line"] == 2
    assert batch["vllm_batch"]["preflight"] is None


def test_nobody_is_told_of_a_dry_run():
    make_endpoint()

    dry_run(*lines(2))
    dry_run("no json")

    assert not HandlerRun.objects.exists()
    ids = BatchJob.objects.values_list("pk", flat=True)
    call_command("replay_handlers", *ids)
    assert not HandlerRun.objects.exists()


def test_without_a_tokenizer_tokens_are_estimated_and_the_report_says_why():
    item = line("a", "x" * 400, max_tokens=7)

    found = report(item)

    assert found["tokenizer"] == "estimate" and "stub" in found["tokenizer_reason"]
    assert found["input_tokens"] == len(json.dumps(item["body"])) // 4
    assert found["counted_lines"] == 0 and "input_tokens" in found["estimated"]


def test_output_is_what_the_lines_allow():
    found = report(
        line("a", max_tokens=5, n=3), line("b", max_completion_tokens=8, max_tokens=9)
    )

    assert (found["max_output_tokens"], found["max_model_len"]) == (23, 100)
    assert found["lines_without_output_limit"] == 0
    assert "max_output_tokens" in found["exact"]


def test_without_a_limit_an_answer_may_fill_the_context():
    found = report(line("a"))

    assert found["max_output_tokens"] == 100 - found["input_tokens"]
    assert found["lines_without_output_limit"] == 1


@pytest.mark.parametrize(
    "limits",
    [
        {"max_tokens": 10**30},
        {"max_tokens": -1, "n": 10**18},
        {"max_tokens": "many", "n": [3]},
        {"max_tokens": 1.5, "n": None},
    ],
)
def test_hostile_limits_are_borne(limits):
    found = report(*[line(f"{n}", **limits) for n in range(3)])

    assert 0 < found["max_output_tokens"] < 2**63


def test_lines_too_long_are_counted_and_the_first_of_them_listed():
    long = [line(f"l{n}", "word " * 200) for n in range(LISTED_LINES + 5)]

    found = report(line("a", max_tokens=5), *long, line("b", max_tokens=99))

    assert found["too_long"]["count"] == LISTED_LINES + 6
    assert found["too_long"]["lines"] == list(range(2, LISTED_LINES + 2))


def test_media_inside_a_request_are_no_text():
    url = "data:image/png;base64," + "A" * 10_000
    parts = [{"type": "image_url", "image_url": {"url": url}}]

    assert (
        report(line("a", messages=[{"role": "user", "content": parts}]))["input_tokens"]
        < 100
    )


def test_duplicates_are_lines_that_would_fold():
    same = [line(f"s{n}", **ZERO) for n in range(3)]
    drawn = [line(f"d{n}", temperature=1) for n in range(3)]

    assert report(*same, *drawn)["duplicates"] == 2


def test_there_are_no_duplicates_where_nothing_is_folded(configure):
    configure(BATCH_FOLD_DUPLICATES=False)

    assert report(line("a", **ZERO), line("b", **ZERO))["duplicates"] == 0


def test_starts_that_prompts_share_are_a_share_of_the_tokens():
    start = "a long instruction " * 60
    shared = [line(f"l{n}", f"{start}{n}") for n in range(10)]
    different = [line(f"l{n}", f"{n}{start}") for n in range(10)]

    assert report(*shared)["shared_prefix_share"] > 0.5
    assert report(*different)["shared_prefix_share"] == 0


def test_the_time_follows_from_the_measured_pace(model):
    assert report(*lines(2))["expected_seconds"] is None
    model.input_tokens_per_second, model.output_tokens_per_second = 1e6, 10
    model.save()

    found = report(*lines(2, max_tokens=50))

    assert found["expected_seconds"] == 10 and "expected_seconds" in found["estimated"]


def test_embeddings_have_no_output(model):
    model.input_tokens_per_second = 10
    model.save()

    found = report(line("a", url=EMBEDDINGS), endpoint=EMBEDDINGS)

    assert found["max_output_tokens"] == 0 and found["expected_seconds"] > 0


def test_an_estimate_fails_no_line(configure):
    configure(BATCH_PREFLIGHT="lengths")
    batch = make_batch(line("a", "word " * 500))

    attend(batch.pk)

    batch.refresh_from_db()
    assert batch.status == "in_progress" and batch.preflight is not None
    assert batch.preflight["too_long"]["lines"] == [1]


def test_an_unknown_key_of_the_extension_is_refused():
    order = {"vllm_batch": {"dry_run": "yes"}, "input_file_id": "file-1"}
    order |= {"endpoint": CHAT, "completion_window": "24h"}

    response = make_client().post("/v1/batches", order, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["error"]["param"] == "vllm_batch.dry_run"


def test_a_cancelled_dry_run_stays_cancelled():
    batch = make_batch(is_dry_run=True)
    client = make_client(batch.project)

    client.post(f"/v1/batches/{batch.pk}/cancel")
    attend(batch.pk)

    assert client.get(f"/v1/batches/{batch.pk}").json()["status"] == "cancelled"


def test_the_admin_makes_a_dry_run_of_a_batchs_input(admin_client):
    batch = make_batch(*lines(2), status="completed")
    form = {"action": "preflight", "_selected_action": [batch.pk]}

    admin_client.post(BATCHES, form, follow=True)

    made = BatchJob.objects.get(is_dry_run=True)
    assert (made.input_file_id, made.status) == (batch.input_file_id, "validating")


def test_the_admin_shows_a_report_as_a_table(admin_client):
    found = report(*lines(2), line("a", "word " * 200))
    found["tokenizer_reason"] = "<script>alert(1)</script>"
    batch = make_batch(status="completed", id="batch_x", preflight=found)

    page = admin_client.get(f"{BATCHES}{batch.pk.replace('_', '_5F')}/change/")

    text = page.content.decode()
    assert "1 (line 3)" in text and "expected time" in text
    assert "<script>alert(1)" not in text and "shared_prefix_share" not in text


def run_command(tmp_path: Path, capsys: Any, *items: Any, **options: Any) -> str:
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(*items))
    call_command("preflight", path, **options)
    printed: str = capsys.readouterr().out
    return printed


def test_the_command_prints_the_same_report(tmp_path, capsys):
    items = [*lines(2), line("a", "word " * 200)]

    printed = run_command(tmp_path, capsys, *items, json=True)

    assert json.loads(printed) == report(*items)
    assert not BatchJob.objects.filter(is_dry_run=False).exists()


def test_the_command_prints_text(tmp_path, capsys):
    printed = run_command(tmp_path, capsys, line(url=EMBEDDINGS), model=None)

    assert "lines" in printed and "estimate" in printed


def test_the_command_measures_for_another_model(tmp_path, capsys):
    make_model("long", engine_args={"max_model_len": 5000})
    items = [line("a", "word " * 200, model="nobody's"), line("b", model="else's")]

    printed = run_command(tmp_path, capsys, *items, json=True, model="long")

    found = json.loads(printed)
    assert (found["max_model_len"], found["too_long"]["count"]) == (5000, 0)


@pytest.mark.parametrize(
    ("items", "options", "words"),
    [
        (["no json"], {}, "line 1: invalid_json_line"),
        ([], {}, "empty_file"),
        ([line()], {"model": "nobody's"}, "no served model"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, capsys, items, options, words):
    with pytest.raises(CommandError, match=words):
        run_command(tmp_path, capsys, *items, **options)


def test_the_command_says_that_a_file_is_not_there(tmp_path):
    with pytest.raises(CommandError, match="could not be read"):
        call_command("preflight", tmp_path / "none.jsonl")
