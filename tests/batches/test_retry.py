"""POST /v1/batches/{id}/retry, the command and what becomes of the new batch."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_q.models import OrmQ

from batches.models import BatchJob
from files.models import File
from tests.batches.ending import (
    BROKEN,
    CRASHED,
    GOOD,
    LIMITED,
    REFUSED,
    content,
    end,
    ids,
    make_ended,
    post_retry,
    retried,
)
from tests.factories import (
    jsonl,
    line,
    make_batch,
    make_client,
    make_file,
    make_project,
    make_running_batch,
)
from vllm_batch.lib.clock import database_now

pytestmark = pytest.mark.django_db


def refused(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    error: dict[str, Any] = response.json()["error"]
    return error


def test_every_failed_line_runs_again_unless_told_otherwise():
    batch = make_ended(GOOD, LIMITED, CRASHED, None)

    child = retried(batch)

    assert ids(content(child.input_file_id)) == ["l1", "l2", "l3"]


def test_the_chosen_lines_are_copied_byte_for_byte():
    odd = b'{ "custom_id" :"l1","method":"POST","url":"/v1/chat/completions" ,'
    odd += b'"body":{"model":"stub","messages":[{"role":"user","content":"\xc3\xa9"}],'
    odd += b'"x":18446744073709551616}, "more":1}\r'
    file = b"\xef\xbb\xbf" + jsonl(line("l0"), b"", odd, line("l2"))
    project = make_project()
    batch = make_running_batch(
        project=project, input_file_id=make_file(file, project).pk
    )
    BatchJob.objects.update(status="cancelling")

    child = retried(end(batch), {"custom_ids": ["l1"]})

    assert content(child.input_file_id) == odd + b"\n"


@pytest.mark.parametrize(
    ("causes", "chosen"),
    [
        (["rate_limit"], ["l1"]),
        (["server_error", "invalid_request"], ["l2", "l4"]),
        (["engine_crash"], ["l3"]),
        (["batch_cancelled"], ["l5"]),
    ],
)
def test_causes_choose(causes, chosen):
    batch = make_ended(GOOD, LIMITED, REFUSED, CRASHED, BROKEN, None)

    child = retried(batch, {"causes": causes})

    assert ids(content(child.input_file_id)) == chosen


def test_the_new_batch_takes_after_its_parent():
    batch = make_ended(
        LIMITED, metadata={"a": "b"}, output_expires_seconds=7200, priority=3
    )

    child = retried(batch)

    for name in ("project", "endpoint", "completion_window", "output_expires_seconds"):
        assert getattr(child, name) == getattr(batch, name)
    assert (child.priority, child.metadata) == (3, {"a": "b"})
    assert child.expires_at - child.created_at == timedelta(hours=24)


def test_the_answer_is_the_new_batch_and_names_its_parent():
    batch = make_ended(LIMITED)

    body = post_retry(batch, {"metadata": {"try": "2"}}).json()

    assert (body["object"], body["status"]) == ("batch", "validating")
    assert body["vllm_batch"]["parent_id"] == batch.pk
    assert body["metadata"] == {"try": "2"}


def test_the_new_input_is_a_file_of_the_project():
    batch = make_ended(LIMITED)

    file = File.objects.get(pk=retried(batch).input_file_id)

    assert file.filename == f"{batch.pk}_retry.jsonl"
    assert (file.purpose, file.project) == ("batch", batch.project)
    assert file.line_count == 1 and file.expires_at is not None


def test_the_new_batch_is_validated_as_any_batch():
    batch = make_ended(LIMITED, GOOD)
    rung = OrmQ.objects.count()

    child = retried(batch)

    assert OrmQ.objects.count() == rung + 1
    assert end(child).status == "in_progress" and child.total == 1


@pytest.mark.parametrize("status", ["validating", "in_progress", "cancelling"])
def test_a_batch_that_has_not_ended_is_not_retried(status):
    error = refused(post_retry(make_batch(status=status)), 409)

    assert error["message"] == f"Cannot retry a batch with status '{status}'."


def test_a_batch_without_failed_lines_is_not_retried():
    response = post_retry(make_ended(GOOD))

    assert "no error file" in refused(response, 409)["message"]
    assert response["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"causes": ["bad luck"]}, "causes", "invalid_value"),
        ({"causes": ["server_error"]}, "causes", "invalid_value"),
        ({"causes": []}, "causes", "empty_array"),
        ({"causes": "rate_limit"}, "causes", "invalid_type"),
        ({"causes": [1]}, "causes", "invalid_type"),
        ({"custom_ids": ["l9"]}, "custom_ids", "invalid_value"),
        ({"custom_ids": []}, "custom_ids", "empty_array"),
        ({"custom_ids": {"l1": 1}}, "custom_ids", "invalid_type"),
        ({"merge": "yes"}, "merge", "invalid_type"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"foo": 1}, "foo", "unknown_parameter"),
    ],
)
def test_a_faulty_order_is_refused_and_makes_nothing(body, param, code):
    batch = make_ended(LIMITED)
    files = File.objects.count()

    error = refused(post_retry(batch, body), 400)

    assert (error["param"], error["code"]) == (param, code)
    assert (BatchJob.objects.count(), File.objects.count()) == (1, files)


@pytest.mark.parametrize("kind", ["input", "error", "output"])
@pytest.mark.parametrize("change", ["deleted_at", "expires_at"])
def test_files_that_are_gone_are_a_conflict(kind, change):
    batch = make_ended(LIMITED, GOOD)
    file_id = getattr(batch, f"{kind}_file_id")
    File.objects.filter(pk=file_id).update(**{change: database_now()})

    error = refused(post_retry(batch, {"merge": True}), 409)

    assert f"The {kind} file" in error["message"]
    assert BatchJob.objects.count() == 1


def test_bytes_that_vanished_are_a_conflict(storage):
    batch = make_ended(LIMITED)
    (storage / File.objects.get(pk=batch.input_file_id).path).unlink()

    assert "The input file" in refused(post_retry(batch), 409)["message"]


def test_the_same_idempotency_key_gives_the_same_batch():
    batch = make_ended(LIMITED)

    answers = [post_retry(batch, {}, **{"Idempotency-Key": "once"}) for _ in range(2)]

    first, second = (answer.json()["id"] for answer in answers)
    assert first == second and BatchJob.objects.count() == 2
    assert File.objects.filter(filename__endswith="_retry.jsonl").count() == 1


def test_the_same_key_with_another_order_is_a_conflict():
    batch = make_ended(LIMITED)
    post_retry(batch, {}, **{"Idempotency-Key": "once"})

    response = post_retry(batch, {"merge": True}, **{"Idempotency-Key": "once"})

    assert refused(response, 409)["code"] == "idempotency_key_in_use"


def test_of_two_equal_orders_at_once_the_second_leaves_no_file(storage, monkeypatch):
    from batches import actions

    batch = make_ended(LIMITED)
    first = post_retry(batch, {}, **{"Idempotency-Key": "once"}).json()["id"]
    look, blind = actions.repeated, iter([True])
    before = sum(1 for path in storage.rglob("*") if path.is_file())

    def repeated(*args: Any) -> BatchJob | None:
        return None if next(blind, False) else look(*args)

    monkeypatch.setattr(actions, "repeated", repeated)

    assert post_retry(batch, {}, **{"Idempotency-Key": "once"}).json()["id"] == first
    assert sum(1 for path in storage.rglob("*") if path.is_file()) == before


def test_a_key_that_may_only_read_cannot_retry():
    batch = make_ended(LIMITED)
    client = make_client(batch.project, scopes=["batches:read", "files:write"])

    response = client.post(
        f"/v1/batches/{batch.pk}/retry", content_type="application/json"
    )

    assert refused(response, 403)["code"] == "insufficient_scope"


def test_the_command_makes_a_batch_and_says_its_id(capsys):
    batch = make_ended(LIMITED, BROKEN, REFUSED)

    call_command("retry_failed", batch.pk, "--cause", "rate_limit", "--merge")

    child = BatchJob.objects.get(pk=capsys.readouterr().out.strip())
    assert child.parent == batch and child.is_merged
    assert ids(content(child.input_file_id)) == ["l0"]


def test_the_command_takes_custom_ids(capsys):
    batch = make_ended(LIMITED, BROKEN, REFUSED)

    call_command("retry_failed", batch.pk, "--custom-id", "l1", "--custom-id", "l2")

    child = BatchJob.objects.get(pk=capsys.readouterr().out.strip())
    assert ids(content(child.input_file_id)) == ["l1", "l2"]


def test_the_command_says_what_is_wrong():
    batch = make_ended(GOOD)

    with pytest.raises(CommandError, match="no error file"):
        call_command("retry_failed", batch.pk)
    with pytest.raises(CommandError, match="There is no batch"):
        call_command("retry_failed", "batch_1")
