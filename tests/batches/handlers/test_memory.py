"""No batch and no receiver makes the ops process grow (T53)."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.batches.handlers.sender import GOOD_ENDPOINTS, WARM_ENDPOINTS, WARM_RESULTS
from tests.rig.process import ROOT
from tests.rig.receiver import receiving

MEBIBYTE = 1 << 20
# Of the process that reads, and of the one that sends.
READING, SENDING = 8 * MEBIBYTE, 20 * MEBIBYTE
RESULTS = 50_000


def run_sender(folder: Path, *arguments: str) -> Any:
    """Run it in a process with a database of its own; return what it reports."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.batches.handlers.sender", *arguments],
        env={
            **os.environ,
            "DATA_DIR": str(folder),
            "DATABASE_URL": "",
            "WEBHOOK_ALLOW_HTTP": "true",
            "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1:*",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_handler_reads_fifty_thousand_results_in_flat_memory(tmp_path):
    report = run_sender(tmp_path, "results", str(RESULTS))

    assert report["seen"] == 2 * (RESULTS + WARM_RESULTS)
    assert report["bytes"] > 100 * MEBIBYTE
    assert report["grown"] < READING, report


@contextmanager
def bad_receiver(act: Callable[[socket.socket], None]) -> Iterator[str]:
    """Treat each connection badly, in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0))

    def treat(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(60)
            act(connection)

    def listen() -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                threading.Thread(target=treat, args=(accepted,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.close()


def test_a_hundred_receivers_are_reached_while_others_do_their_worst(tmp_path):
    streamed: list[int] = []

    def hang(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    def stream(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(1024):
            connection.sendall(b"x" * MEBIBYTE)
            streamed.append(MEBIBYTE)

    def reset(connection: socket.socket) -> None:
        linger = b"\x01\0\0\0\0\0\0\0"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with (
        receiving(204) as good,
        bad_receiver(hang) as hanging,
        bad_receiver(stream) as streaming,
        bad_receiver(reset) as resetting,
    ):
        bad = (hanging, streaming, resetting)
        report = run_sender(tmp_path, "webhooks", good.url, *bad)

    ids = {post.headers["webhook-id"] for post in good.posts}
    assert len(good.posts) == len(ids) == GOOD_ENDPOINTS + WARM_ENDPOINTS
    # All were reached in the one attempt of the one that hangs.
    status, attempts = report["bad"][hanging]
    assert status != "succeeded" and attempts == 1
    assert report["bad"][resetting][0] == "pending"
    assert report["bad"][streaming][0] == "succeeded"
    assert sum(streamed) < 64 * MEBIBYTE and report["grown"] < SENDING, report
