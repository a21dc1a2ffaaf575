"""Rate limits: 429 in the envelope, by key and by address, with the way out of it."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

from accounts.limiting.counters import sweep_counters
from accounts.models import Counter
from batches.models import BatchJob
from files.models import File
from tests.factories import CHAT, make_client, make_project
from tests.files.uploads import Streamed, form, send

pytestmark = pytest.mark.django_db
ORDER = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}
NAMES = ("limit", "remaining", "reset")


def create(client: Client, **extra: Any) -> Any:
    return client.post("/v1/batches", ORDER, "application/json", **extra)


def limited(response: Any, by: str) -> None:
    assert response.status_code == 429, response.content
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert error["param"] is None and f"a minute and {by}" in error["message"]
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["x-ratelimit-remaining-requests"] == "0"


@pytest.fixture
def limit(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """A function that sets rates: `batches_per_key=2`. No window ends meanwhile."""
    now = time.time()
    clock = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr("django_ratelimit.core.time", clock)

    def apply(**rates: int) -> None:
        configure(**{f"RATE_{name.upper()}": rate for name, rate in rates.items()})

    return apply


def test_a_key_has_so_many_new_batches_a_minute(limit):
    limit(batches_per_key=2)
    client = make_client()

    answers = [create(client) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    limited(answers[2], "key")
    assert BatchJob.objects.count() == 2


def test_an_answer_says_what_is_left(limit):
    limit(batches_per_key=3, batches_per_address=2)

    answer = create(make_client())

    found = [answer[f"x-ratelimit-{name}-requests"] for name in NAMES]
    assert found[:2] == ["2", "1"] and found[2].endswith("s")
    assert "Retry-After" not in answer.headers


def test_another_key_has_its_own(limit):
    limit(batches_per_key=1)
    first, second = make_client(), make_client()
    create(first)

    assert create(second).status_code == 200
    assert create(first).status_code == 429


def test_keys_at_one_address_share_the_addresss(limit):
    limit(batches_per_address=1)
    create(make_client())

    limited(create(make_client()), "address")
    elsewhere = create(make_client(), REMOTE_ADDR="203.0.113.7")
    assert elsewhere.status_code == 200


def test_a_key_that_is_used_up_takes_nothing_from_its_neighbours(limit):
    limit(batches_per_key=1, batches_per_address=3)
    greedy = make_client()
    for _ in range(9):
        create(greedy)

    assert create(make_client()).status_code == 200


def test_a_thousand_invented_addresses_count_as_one(limit, configure):
    limit(batches_per_address=5)
    client = make_client()

    answers = [
        create(client, HTTP_X_FORWARDED_FOR=f"{number}.2.3.4") for number in range(100)
    ]

    assert sum(answer.status_code == 200 for answer in answers) == 5


def test_behind_a_proxy_its_clients_count(limit, configure):
    limit(batches_per_address=1)
    configure(TRUSTED_PROXIES=["127.0.0.1"])
    client = make_client()

    def ask(forwarded: str) -> int:
        status: int = create(client, HTTP_X_FORWARDED_FOR=forwarded).status_code
        return status

    assert ask("1.1.1.1, 203.0.113.7") == 200
    assert ask("2.2.2.2, 203.0.113.7") == 429
    assert ask("1.1.1.1, 203.0.113.8") == 200


def test_a_retry_is_a_new_batch(limit):
    limit(batches_per_key=1)
    client = make_client()
    batch_id = create(client).json()["id"]

    limited(client.post(f"/v1/batches/{batch_id}/retry"), "key")


def test_uploads_are_refused_before_they_are_read(limit):
    limit(uploads_per_key=1)
    client = make_client()
    send(client, form())
    body = Streamed(b"x", 1 << 20, b"")

    limited(send(client, body, length=body.length), "key")

    assert body.read() == b"x" and File.objects.count() == 1


def test_uploads_and_batches_are_counted_apart(limit):
    limit(uploads_per_key=1, batches_per_key=1)
    client = make_client()

    assert send(client, form()).status_code == 200
    assert create(client).status_code == 200


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/files", "/v1/models"])
def test_reading_is_not_limited(limit, path):
    limit(batches_per_key=1, uploads_per_key=1)
    client = make_client()

    answers = [client.get(path) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "x-ratelimit-limit-requests" not in answers[0].headers


def test_who_has_no_key_counts_for_nobody(limit, client):
    limit(batches_per_address=1)
    for _ in range(3):
        assert create(client).status_code == 401

    assert create(make_client()).status_code == 200


def test_zero_is_no_limit(limit):
    limit(batches_per_key=0, batches_per_address=0)
    client = make_client()

    assert {create(client).status_code for _ in range(30)} == {200}
    assert not Counter.objects.exists()


def test_counters_tell_no_address_and_go_after_their_window(limit):
    limit(batches_per_address=5)
    create(make_client(), REMOTE_ADDR="203.0.113.7")

    assert "203.0.113.7" not in Counter.objects.get().key
    sweep_counters()
    assert Counter.objects.count() == 1
    Counter.objects.update(expires_at="2020-01-01T00:00:00Z")
    sweep_counters()
    assert not Counter.objects.exists()


def test_a_counter_is_made_once_and_then_added_to():
    cache = caches["counters"]

    made = [cache.add("a", 1, 60), cache.add("a", 1, 60)]

    assert made == [True, False]
    assert [cache.incr("a"), cache.incr("a"), cache.get("a")] == [2, 3, 3]
    with pytest.raises(ValueError, match="no counter"):
        cache.incr("b")


@pytest.mark.parametrize(
    ("caches", "found"),
    [
        ({}, "has no 'counters'"),
        ({"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}, "do not share"),
        ({"BACKEND": "django.core.cache.backends.db.DatabaseCache"}, "do not share"),
    ],
)
def test_counters_that_are_not_shared_are_reported(settings, caches, found):
    default = settings.CACHES["default"]
    settings.CACHES = {"default": default, **({"counters": caches} if caches else {})}

    with pytest.raises(SystemCheckError, match=found):
        call_command("check")


def test_limits_hold_for_each_project_alone(limit):
    limit(batches_per_key=1)
    project = make_project()
    create(make_client(project))

    assert create(make_client(project)).status_code == 200
