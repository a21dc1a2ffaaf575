"""The stack of fault tests: every process and the database can be disturbed."""

import os
import shutil
from pathlib import Path
from typing import Any

import psycopg

from tests.rig.history import History, Recorder
from tests.rig.postgres import Postgres
from tests.rig.proxy import DatabaseProxy
from tests.rig.stack import Stack
from tests.rig.tree import Tree

SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "tests.rig.settings",
    "WORKER_LEASE_SECONDS": "2",
    "WORKER_WINDOW": "8",
    "WORKER_SEGMENT_SECONDS": "0.1",
    "WORKER_SEGMENT_LINES": "64",
    "WORKER_DRAIN_SECONDS": "20",
    # An idle worker joins at once one that has the model.
    "WORKER_QUANTUM_SECONDS": "1",
    "BATCH_CHUNK_LINES": "200",
    "DATABASE_STATEMENT_SECONDS": "5",
    # Each twice the one before, roughly as they are, in seconds instead of hours.
    "HANDLER_RETRY_SECONDS": "1,2,4,8,16,32",
    "WEBHOOK_RETRY_SECONDS": "1,2,4,8,16,32,32,32,32",
    "WEBHOOK_ALLOW_HTTP": "true",
    "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1:*",
}


class Rig:
    """A stack behind a proxy, with fault points; each test has its own project."""

    def __init__(self, **environment: str) -> None:
        self.postgres = Postgres(careful=True)
        self.proxy = DatabaseProxy(self.postgres.folder)
        self.stack = Stack(**{**SETTINGS, **environment})
        self.points = self.stack.folder / "points"
        self.stack.environment["VLLM_BATCH_FAULTS"] = str(self.points)
        self.stack.server_url = self.postgres.url
        self.stack.client_url = self.proxy.url
        self._calls_before = 0

    def start(self) -> None:
        """Start everything."""
        self.points.mkdir()
        self.postgres.start()
        self.proxy.start()
        self.stack.start()

    def stop(self) -> None:
        """End everything and remove it."""
        try:
            self.stack.stop()
        finally:
            self.proxy.stop()
            self.postgres.stop()

    @property
    def tree(self) -> Tree:
        """The first worker's processes."""
        return self.tree_of("worker")

    def tree_of(self, name: str) -> Tree:
        """A worker's processes."""
        return Tree(self.stack.processes[name].pid)

    def recorder(self, folder: Path) -> Recorder:
        """Return a new project's client, with a new history."""
        history = History(folder / "history.jsonl")
        return Recorder(self.stack.base_url, self.stack.new_key(), history)

    def arm(self, point: str, nth: int | str, action: str) -> None:
        """Let a fault point act at its nth pass from now on."""
        (self.points / f"{point}.hits").unlink(missing_ok=True)
        (self.points / point).write_text(f"{nth} {action}")

    def passes(self, point: str) -> int:
        """Return how often a point was passed since it was armed."""
        hits = self.points / f"{point}.hits"
        return hits.stat().st_size if hits.exists() else 0

    def disarm(self) -> None:
        """Let no point act any more."""
        shutil.rmtree(self.points)
        self.points.mkdir()

    def calls(self) -> int:
        """Return how many requests the engine was sent so far, killed ones included."""
        return self._calls_before + sum(self.stack.calls().values())

    def restart_engine(self) -> None:
        """Kill the engine's server and start another one in its place."""
        self._calls_before += sum(self.stack.calls().values())
        stub = self.stack.processes["stub"]
        stub.kill()
        assert stub.popen is not None
        stub.popen.wait()
        self.stack.launch_stub()

    def restart_worker(self, name: str = "worker") -> None:
        """Kill `runworker` itself and start it again, as systemd would."""
        process = self.stack.processes[name]
        assert process.popen is not None
        process.popen.kill()
        process.popen.wait()
        self.stack.start_worker(name.removeprefix("worker-").replace("worker", "gpu0"))

    def restart_web(self) -> None:
        """Kill the web server's main process and start it again on its port."""
        process = self.stack.processes["web"]
        process.kill()
        assert process.popen is not None
        process.popen.wait()
        self.stack.start_web()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database, past the proxy."""
        url = self.stack.url_of(self.postgres.url)
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def fail(self, batch: str) -> None:
        """End a batch by hand: nobody could end it well any more."""
        url = self.stack.url_of(self.postgres.url)
        sql = b"UPDATE vllm_batches_batchjob SET status = 'failed' WHERE id = %s"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql, [batch])

    def two_engines(self) -> list[str]:
        """Return the slots that had two engines at once."""
        return [path.name for path in self.stack.folder.glob("two-engines-*")]

    def worker_log(self, name: str = "worker") -> str:
        """Return all that a worker and its processes said."""
        log = self.stack.folder / f"{name}.log"
        return log.read_text(errors="replace") if log.exists() else ""


def scale(short: int, long: int, full: int = 0) -> int:
    """Return how much of something: FAULTS is not set, `long`, or `full`."""
    sizes = {"long": long, "full": full or long}
    return sizes.get(os.environ.get("FAULTS", ""), short)
