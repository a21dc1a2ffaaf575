"""Batches of real processes that share nothing but a database and a bucket."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from openai import DefaultHttpxClient, OpenAI

from tests.rig.history import History, Recorder, Unanswered, lines
from tests.rig.process import ROOT
from tests.rig.seaweed import Seaweed
from tests.rig.stack import PYTHON, Stack
from tests.rig.tree import Tree, kill, wait_until_gone

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not os.environ.get("DATABASE_URL"),
        reason="two folders need a database outside of them: PostgreSQL",
    ),
]
WINDOW, SEGMENT_LINES, LEASE_SECONDS = 8, 64, 4
SETTINGS = {
    "SECRET_KEY": "the same on every machine",
    "AWS_LOCATION": "vllm/batch",
    "WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
    "WORKER_WINDOW": str(WINDOW),
    "WORKER_SEGMENT_SECONDS": "0.1",
    "WORKER_SEGMENT_LINES": str(SEGMENT_LINES),
    "WORKER_DRAIN_SECONDS": "20",
    "WORKER_QUANTUM_SECONDS": "1",
    "BATCH_CHUNK_LINES": "200",
}


class Fleet:
    """A web server, and workers that come and go; each has a machine of its own."""

    def __init__(self, server: Seaweed) -> None:
        self.server = server
        self.stack = Stack(**SETTINGS, **server.environment)
        self._running: list[str] = []
        self._numbers = count(1)

    def start(self) -> None:
        self.stack.prepare()
        self.stack.start_stub()
        self.stack.start_web()

    def workers(self, number: int) -> list[str]:
        """Have so many workers; a new one comes with an empty disk."""
        while len(self._running) > number:
            self.lose(self._running[0])
        while len(self._running) < number:
            machine = f"machine-{next(self._numbers)}"
            folder = str(self.disk(machine))
            self.stack.start_worker(machine, DATA_DIR=folder, WORKER_HOST=machine)
            self._running.append(machine)
        return list(self._running)

    def disk(self, machine: str) -> Path:
        return self.stack.folder / f"disk-{machine}"

    def lose(self, machine: str) -> None:
        """Kill all of a worker's processes at once, and take its disk away."""
        process = self.stack.processes[f"worker-{machine}"]
        members = Tree(process.pid).members()
        process.kill()
        for member in members:
            kill(member)
        assert wait_until_gone(members, 20) == []
        shutil.rmtree(self.disk(machine))
        self._running.remove(machine)

    def calls(self) -> int:
        """Return how many lines the engine was sent."""
        return sum(self.stack.calls().values())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        url = self.stack.url_of(self.stack.server_url)
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def local_files(self) -> list[str]:
        """Return files of the storage that lie on a disk: there should be none."""
        found = self.stack.folder.glob("**/batch/**/*")
        return [str(path) for path in found if path.is_file()]


@pytest.fixture(scope="module")
def fleet(server: Seaweed) -> Iterator[Fleet]:
    fleet = Fleet(server)
    try:
        fleet.start()
        yield fleet
    except BaseException:
        print(fleet.stack.logs())
        raise
    finally:
        fleet.stack.stop()


@pytest.fixture
def client(fleet: Fleet, tmp_path: Path) -> Iterator[Recorder]:
    """A new project's client, whose history is judged."""
    history = History(tmp_path / "history.jsonl")
    recorder = Recorder(fleet.stack.base_url, fleet.stack.new_key(), history)
    yield recorder
    print(fleet.stack.logs())
    recorder.close()


def until_durable(client: Recorder, batch: str, number: int) -> None:
    ends_at = time.monotonic() + 60
    while client.poll_counts(batch) < number:
        assert time.monotonic() < ends_at, "no results"
        time.sleep(0.05)


def test_a_batch_goes_through_and_nothing_lies_on_a_disk(
    fleet: Fleet, client: Recorder
):
    fleet.workers(1)
    batch = client.submit(lines("a", 1000))

    client.finish(batch)

    client.must_be_good()
    assert fleet.local_files() == []


def test_the_official_client_follows_a_link_into_the_bucket(fleet: Fleet):
    web = fleet.stack.launch(
        "linked", PYTHON, "-m", "gunicorn", "vllm_batch.wsgi",
        "--config", str(ROOT / "vllm_batch/gunicorn.py"), "--bind", "127.0.0.1:0",
        DOWNLOAD_LINK_SECONDS="60",
    )  # fmt: skip
    address = web.wait_for(r"Listening at: (http://\S+)")[1]
    transport = DefaultHttpxClient(trust_env=False)
    key = fleet.stack.new_key()
    with OpenAI(api_key=key, base_url=f"{address}/v1", http_client=transport) as client:
        sent = lines("o", 1000)
        file = client.files.create(file=("in.jsonl", sent), purpose="batch")

        answer = client.files.content(file.id)

    assert answer.content == sent
    hops = [one.url.netloc for one in answer.response.history]
    assert len(hops) == 1 and answer.response.url.netloc not in hops


def test_another_machine_with_an_empty_disk_goes_on(fleet: Fleet, client: Recorder):
    (first,) = fleet.workers(1)
    before = fleet.calls()
    batch = client.submit(lines("k", 500, "SLEEP 0.03"))
    until_durable(client, batch, 150)

    fleet.lose(first)
    fleet.workers(1)
    client.finish(batch, 120)

    client.must_be_good()
    repeated = fleet.calls() - before - 500
    assert 0 <= repeated <= WINDOW + SEGMENT_LINES
    assert fleet.local_files() == []


def test_a_store_that_is_away_is_waited_for(fleet: Fleet, client: Recorder):
    fleet.workers(1)
    running = client.submit(lines("s", 600, "SLEEP 0.02"))
    file = client.upload(lines("v", 50))
    until_durable(client, running, 50)

    fleet.server.halt()
    try:
        new = client.create(file)
        waiting = wait_for_reason(client, running)
        with pytest.raises(Unanswered, match="503"):
            client.upload(lines("x", 1))
        status = client.poll(new)["status"]
    finally:
        fleet.server.resume()
    client.finish(running, 120)
    client.finish(new, 120)

    assert (waiting["code"], status) == ("worker_paused", "validating")
    assert "127.0.0.1" not in waiting["message"]
    client.must_be_good()


def test_of_two_workers_for_one_chunk_the_late_one_changes_nothing(
    fleet: Fleet, client: Recorder
):
    fleet.workers(2)
    batch = client.submit(lines("z", 1000, "SLEEP 0.06"))
    wait_for(lambda: len(set(holders(fleet, batch).values())) == 2, 60)
    index, owner = next(iter(holders(fleet, batch).items()))
    late = int(owner.split(":")[1])

    os.kill(late, signal.SIGSTOP)
    # Its supervisor would replace it after LEASE_SECONDS / 2 + 8 s.
    is_taken = wait_for(lambda: holders(fleet, batch).get(index, "") != owner, 9)
    with suppress(ProcessLookupError):
        os.kill(late, signal.SIGCONT)
    client.finish(batch, 120)

    assert is_taken
    client.must_be_good()


def holders(fleet: Fleet, batch: str) -> dict[int, str]:
    """Return who holds which chunk of a batch."""
    sql = "SELECT index, lease_owner FROM vllm_batches_chunk"
    where = f"WHERE batch_id = '{batch}' AND lease_owner <> ''"
    return dict(fleet.query(f"{sql} {where}"))


def wait_for(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; False if it is not in that time."""
    ends_at = time.monotonic() + seconds
    while not (found := is_so()) and time.monotonic() < ends_at:
        time.sleep(0.05)
    return found


def wait_for_reason(client: Recorder, batch: str) -> dict[str, str]:
    """Wait until a batch says that it waits for the store."""
    ends_at = time.monotonic() + 60
    while True:
        polled = client.insist(lambda: client.poll(batch))
        found = polled["vllm_batch"]["waiting"] or {}
        if "object store" in found.get("message", ""):
            return dict(found)
        assert time.monotonic() < ends_at, f"it never said why: {found}"
        time.sleep(0.1)
