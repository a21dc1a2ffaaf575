"""Clients that write down what they were told, for the checker to judge."""

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.rig.checker import TERMINAL, Event, Verdict, judge, sha256

T = TypeVar("T")
CHAT = "/v1/chat/completions"
# A server that is just being killed or restarted, as any client sees it.
PASSING = {429, 500, 502, 503, 504}
logging.getLogger("httpx").setLevel(logging.WARNING)


class Unanswered(Exception):
    """The server gave no 2xx; whether the request took effect is not known."""


class History:
    """An append-only log of events, kept in memory too."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self.inputs: dict[str, bytes] = {}
        self.statuses: list[int] = []
        self._lock = threading.Lock()
        self._path = path

    def note(self, op: str, **details: Any) -> None:
        """Append an event; contents go to the log as their hash."""
        event = {"op": op, "at": round(time.time(), 3), **details}
        short = {k: sha256(v) if isinstance(v, bytes) else v for k, v in event.items()}
        with self._lock:
            self.events.append(event)
            with open(self._path, "a") as file:
                file.write(json.dumps(short) + "\n")

    def verdict(self) -> Verdict:
        """Judge what was noted so far."""
        return judge(self.events, self.inputs)


class Recorder:
    """One project's client. It asks again while the server is away."""

    def __init__(self, base_url: str, key: str, history: History) -> None:
        self.history = history
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(
            base_url=base_url, headers=headers, timeout=30, trust_env=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def upload(self, content: bytes) -> str:
        """Upload a batch file and note it if it was acknowledged."""
        files = {"file": ("in.jsonl", content, "application/jsonl")}
        answer = self.send("POST", "/files", data={"purpose": "batch"}, files=files)
        file: str = answer.json()["id"]
        self.history.inputs[file] = content
        self.history.note("uploaded", file=file, sha256=sha256(content))
        return file

    def create(self, file: str, idempotency_key: str = "") -> str:
        """Create a batch and note it if it was acknowledged."""
        order = {
            "input_file_id": file,
            "endpoint": CHAT,
            "completion_window": "24h",
        }
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer = self.send("POST", "/batches", json=order, headers=headers)
        batch: str = answer.json()["id"]
        self.history.note("created", batch=batch, file=file)
        return batch

    def submit(self, content: bytes) -> str:
        """Upload and create, each until it is acknowledged."""
        file = self.insist(lambda: self.upload(content))
        key = f"once-{file}"
        return self.insist(lambda: self.create(file, key))

    def cancel(self, batch: str) -> None:
        """Cancel a batch."""
        self.send("POST", f"/batches/{batch}/cancel")

    def poll(self, batch: str) -> Event:
        """Ask for a batch and note its status."""
        found: Event = self.send("GET", f"/batches/{batch}").json()
        counts = found["request_counts"]
        self.history.note("status", batch=batch, status=found["status"], counts=counts)
        return found

    def poll_counts(self, batch: str) -> int:
        """Return how many lines of a batch are durable, once somebody says so."""
        counts = self.insist(lambda: self.poll(batch))["request_counts"]
        return int(counts["completed"] + counts["failed"])

    def content(self, file: str | None) -> bytes:
        """Read a file."""
        if file is None:
            return b""
        return self.send("GET", f"/files/{file}/content").content

    def send(self, method: str, path: str, **details: Any) -> httpx.Response:
        """Send a request; raises Unanswered if no 2xx came back."""
        try:
            answer = self._http.request(method, path, **details)
        except httpx.HTTPError as error:
            raise Unanswered(f"{method} {path}: {error!r}") from error
        self.history.statuses.append(answer.status_code)
        if answer.status_code in PASSING:
            raise Unanswered(f"{method} {path}: {answer.status_code}")
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer

    def insist(self, work: Callable[[], T], seconds: float = 120) -> T:
        """Call `work` until it is answered."""
        ends_at = time.monotonic() + seconds
        while True:
            try:
                return work()
            except Unanswered as error:
                assert time.monotonic() < ends_at, f"never answered: {error}"
                time.sleep(0.2)

    def wait(
        self, batch: str, seconds: float = 60, until: frozenset[str] | None = None
    ) -> Event:
        """Poll until a batch has ended (or has a status)."""
        ends_at = time.monotonic() + seconds
        wanted = until or TERMINAL
        while True:
            found = self.insist(lambda: self.poll(batch))
            if found["status"] in wanted:
                return found
            assert time.monotonic() < ends_at, f"stuck: {found}"
            time.sleep(0.1)

    def finish(self, batch: str, seconds: float = 60) -> Event:
        """Wait for a batch's end and note its result."""
        found = self.wait(batch, seconds)
        self.history.note(
            "result",
            batch=batch,
            status=found["status"],
            counts=found["request_counts"],
            usage=found["usage"],
            output=self.insist(lambda: self.content(found["output_file_id"])),
            error=self.insist(lambda: self.content(found["error_file_id"])),
        )
        return found

    def must_be_good(self) -> None:
        """Read the uploads again, and judge everything that was noted."""
        self.read_back()
        verdict = self.history.verdict()
        assert verdict.is_green, str(verdict)

    def read_back(self) -> None:
        """Read every acknowledged upload again."""
        for file in list(self.history.inputs):
            content = self.insist(lambda file=file: self.content(file))  # type: ignore[misc]
            self.history.note("content", file=file, sha256=sha256(content))


def lines(tag: str, number: int, directive: str = "ECHO") -> bytes:
    """Return a batch file; each line's answer tells the line it belongs to."""
    return b"".join(
        json.dumps(
            {
                "custom_id": f"{tag}-{index}",
                "method": "POST",
                "url": CHAT,
                "body": {
                    "model": "stub",
                    "messages": [
                        {"role": "user", "content": f"{directive} {tag}-{index}"}
                    ],
                },
            }
        ).encode()
        + b"\n"
        for index in range(number)
    )
