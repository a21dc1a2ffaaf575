"""The product as real processes, and a client that costs little."""

import http.client
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.workloads import CHAT
from tests.rig.stack import Stack

BLOCK = 1 << 20
TERMINAL = ("completed", "failed", "expired", "cancelled")
_BOUNDARY = "benchbenchbench"
Json = dict[str, Any]


@contextmanager
def stack(**environment: str) -> Iterator[Stack]:
    """Prepare a stack on a database of its own, and end it whatever happens."""
    made = Stack(DJANGO_SETTINGS_MODULE="bench.settings", **environment)
    try:
        made.prepare()
        yield made
    except BaseException:
        print(made.logs())
        raise
    finally:
        made.stop()


def model_toml(engine: str, source: str = "", **engine_args: Any) -> str:
    """Return the model `bench` as load_models takes it."""
    rows = [f"{name} = {json.dumps(value)}" for name, value in engine_args.items()]
    head = f'[[model]]\nname = "bench"\nengine = "{engine}"\nsource = "{source}"\n'
    return "\n".join([head + "[model.engine_args]", *rows])


class Client:
    """One project's view of the server."""

    def __init__(self, stack: Stack) -> None:
        parts = urlsplit(stack.base_url)
        self._host, self._path = parts.netloc, parts.path
        self._headers = {"Authorization": f"Bearer {stack.new_key()}"}

    def upload(self, path: Path) -> str:
        """Upload a batch file and return its id."""
        head = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n'
            f"batch\r\n--{_BOUNDARY}\r\nContent-Disposition: form-data;"
            ' name="file"; filename="in.jsonl"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
            "Content-Length": str(len(head) + path.stat().st_size + len(tail)),
        }

        def body() -> Iterator[bytes]:
            yield head
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    yield block
            yield tail

        file_id: str = self._json("POST", "/files", body(), headers)["id"]
        return file_id

    def create(self, file_id: str) -> str:
        """Create a batch."""
        order = {
            "input_file_id": file_id,
            "endpoint": CHAT,
            "completion_window": "24h",
        }
        headers = {"Content-Type": "application/json"}
        body = json.dumps(order).encode()
        batch_id: str = self._json("POST", "/batches", body, headers)["id"]
        return batch_id

    def submit(self, path: Path) -> str:
        """Upload and create."""
        return self.create(self.upload(path))

    def batch(self, batch_id: str) -> Json:
        """Return the batch object."""
        return self._json("GET", f"/batches/{batch_id}")

    def cancel(self, batch_id: str) -> None:
        """Cancel a batch."""
        self._json("POST", f"/batches/{batch_id}/cancel", b"")

    def wait(
        self,
        batch_id: str,
        until: Iterable[str] = ("completed",),
        seconds: float = 600,
        pause: float = 0.2,
    ) -> Json:
        """Poll until the batch has one of these statuses."""
        ends_at = time.monotonic() + seconds
        while (batch := self.batch(batch_id))["status"] not in (*until, *TERMINAL):
            assert time.monotonic() < ends_at, f"stuck: {batch}"
            time.sleep(pause)
        assert batch["status"] in until, batch
        return batch

    def download(self, file_id: str) -> int:
        """Read a file's content to its end and return its length."""
        return self.read(f"{self._path}/files/{file_id}/content")

    def read(self, path: str) -> int:
        """Read what a path answers and return its length."""
        connection = http.client.HTTPConnection(self._host, timeout=600)
        connection.request("GET", path, headers=self._headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        length = 0
        while block := answer.read(BLOCK):
            length += len(block)
        connection.close()
        return length

    def _json(
        self, method: str, path: str, body: Any = None, headers: Json | None = None
    ) -> Json:
        connection = http.client.HTTPConnection(self._host, timeout=600)
        everything = {**self._headers, **(headers or {})}
        connection.request(method, self._path + path, body=body, headers=everything)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status == 200, (answer.status, content)
        found: Json = json.loads(content)
        return found
