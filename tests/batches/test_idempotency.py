"""The header Idempotency-Key (contract R28)."""

from typing import Any

import pytest
from django.test import Client
from django_q.models import OrmQ

from batches import actions
from batches.models import BatchJob
from batches.orders import BatchOrder
from tests.factories import CHAT, make_client, make_project
from vllm_batch.lib.errors import Conflict

pytestmark = pytest.mark.django_db

ORDER: dict[str, Any] = {
    "input_file_id": "file-1",
    "endpoint": CHAT,
    "completion_window": "24h",
}


def post(client: Client, key: str, **changes: Any) -> Any:
    return client.post(
        "/v1/batches",
        {**ORDER, **changes},
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


def test_the_same_key_and_order_give_the_same_batch():
    client = make_client()

    first, second = post(client, "once"), post(client, "once")

    assert first.json()["id"] == second.json()["id"]
    assert BatchJob.objects.count() == 1


def test_a_repeated_order_rings_only_once():
    client = make_client()
    post(client, "once")
    rung = OrmQ.objects.count()

    post(client, "once")

    assert OrmQ.objects.count() == rung == 1


def test_the_same_key_with_another_order_is_a_conflict():
    client = make_client()
    post(client, "once")

    response = post(client, "once", metadata={"a": "b"})

    assert response.status_code == 409
    assert response.json()["error"]["code"] == "idempotency_key_in_use"
    assert response["x-should-retry"] == "false"


def test_other_keys_give_other_batches():
    client = make_client()

    ids = {post(client, key).json()["id"] for key in ("a", "b", "", "")}

    assert len(ids) == 4


def test_the_order_of_metadata_makes_no_other_order():
    client = make_client()
    first = post(client, "once", metadata={"a": "1", "b": "2"})

    second = post(client, "once", metadata={"b": "2", "a": "1"})

    assert second.status_code == 200 and first.json()["id"] == second.json()["id"]


def test_a_key_that_is_too_long_is_refused():
    response = post(make_client(), "k" * 256)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == "Idempotency-Key"


def lose_the_race(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first look for the key find nothing, as if both had come at once."""
    look = actions.repeated
    blind_looks = iter([True])

    def blind(*args: Any) -> BatchJob | None:
        return None if next(blind_looks, False) else look(*args)

    monkeypatch.setattr(actions, "repeated", blind)


def test_of_two_equal_orders_at_once_the_second_gets_the_first_batch(monkeypatch):
    project = make_project()
    order = BatchOrder(**ORDER)
    first = actions.create(project, order, "once")
    lose_the_race(monkeypatch)

    second = actions.create(project, order, "once")

    assert second == first and BatchJob.objects.count() == 1


def test_of_two_different_orders_at_once_the_second_is_refused(monkeypatch):
    project = make_project()
    actions.create(project, BatchOrder(**ORDER), "once")
    lose_the_race(monkeypatch)

    with pytest.raises(Conflict):
        actions.create(project, BatchOrder(**ORDER, metadata={"a": "b"}), "once")

    assert BatchJob.objects.count() == 1
