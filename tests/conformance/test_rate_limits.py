"""Rate limits of real processes: counted once, whoever serves the request (T45)."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.conformance.client import CHAT, Api, envelope
from tests.rig.redis import Redis, find_redis
from tests.rig.stack import Stack

pytestmark = pytest.mark.conformance
LIMIT, ASKED = 40, 200
# Of one a minute: a minute may end after the first, or after the second, not both.
UPLOADS = 3


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    """A real server that counts."""
    if not (program := find_redis()):
        pytest.skip("needs redis-server")
    server = Redis(program).start()
    yield server
    server.remove()


@pytest.fixture(scope="module", params=["database", "redis"])
def limited(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A server of four processes, with no worker: nothing is to run."""
    counters = {}
    if request.param == "redis":
        counters["CACHE_URL"] = request.getfixturevalue("redis").url
    stack = Stack(
        WEB_CONCURRENCY="4",
        RATE_BATCHES_PER_ADDRESS=str(LIMIT),
        RATE_UPLOADS_PER_KEY="1",
        TRUSTED_PROXIES="127.0.0.1",
        **counters,
    )
    with stack.watched():
        stack.prepare()
        stack.start_web()
        yield stack


@pytest.fixture
def calls(limited: Stack) -> Iterator[Api]:
    """A new project at the server."""
    api = Api(limited.base_url, limited.new_key())
    yield api
    api.http.close()
    api.client.close()


ORDER = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}


def test_all_processes_count_together(calls: Api):
    def ask(number: int) -> int:
        # The client invents what is left of its own address.
        headers = {"X-Forwarded-For": f"10.9.8.{number}, 203.0.113.7"}
        response = calls.raw("POST", "/batches", json=ORDER, headers=headers)
        return response.status_code

    with ThreadPoolExecutor(16) as threads:
        found = Counter(threads.map(ask, range(ASKED)))

    # The window may end once while they ask.
    assert set(found) == {200, 429} and LIMIT <= found[200] <= 2 * LIMIT
    assert found[429] == ASKED - found[200]


def test_the_sdk_is_told_and_can_wait(calls: Api):
    with pytest.raises(openai.RateLimitError) as refused:
        for _ in range(UPLOADS):
            calls.up(b"{}\n")

    headers = refused.value.response.headers
    assert 1 <= int(headers["retry-after"]) <= 60
    assert refused.value.code == "rate_limit_exceeded"


def test_an_upload_too_many_is_refused_in_the_envelope(calls: Api):
    responses = [calls.form(b"{}\n", purpose="batch") for _ in range(UPLOADS)]

    assert responses[0].status_code == 200
    response = next(one for one in responses if one.status_code != 200)
    envelope(response, 429, code="rate_limit_exceeded", type="rate_limit_error")


def test_a_compressed_body_is_refused(calls: Api):
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}

    response = calls.raw("POST", "/batches", content=b"\x1f\x8b", headers=headers)

    envelope(response, 415, code="unsupported_content_encoding")


def test_without_redis_nothing_is_limited_until_it_is_back(redis: Redis):
    # In a database of its own: both servers number their keys from 1.
    url = redis.url.removesuffix("0") + "1"
    stack = Stack(RATE_UPLOADS_PER_KEY="1", CACHE_URL=url)
    try:
        stack.prepare()
        stack.start_web()
        api = Api(stack.base_url, stack.new_key())
        redis.kill()
        served = [api.form(b"{}\n", purpose="batch").status_code for _ in range(3)]
        redis.start()
        counted = [api.form(b"{}\n", purpose="batch").status_code for _ in range(3)]
        api.http.close()
        api.client.close()
        logs = stack.logs()
    finally:
        stack.stop()

    assert served == [200, 200, 200]
    # The window may end once while it asks.
    assert counted[0] == 200 and 429 in counted[1:]
    assert "CACHE_URL does not answer: no limits" in logs
