"""Clients that work all the time, and a server that is replaced under them."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.conformance.client import Api, jsonl, line
from tests.rig.stack import Stack
from tests.topology.nginx import Nginx


@contextmanager
def project(base_url: str, key: str) -> Iterator[Api]:
    """Speak for a project, and hang up."""
    api = Api(base_url, key)
    with api.client, api.http:
        yield api


class Client(threading.Thread):
    """Uploads, reads and lists until told to stop, and keeps what went wrong."""

    def __init__(self, base_url: str, key: str) -> None:
        super().__init__()
        self.api = Api(base_url, key)
        self.is_over = threading.Event()
        self.count = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        """Work in a loop."""
        with self.api.client, self.api.http:
            while not self.is_over.is_set():
                try:
                    self._once()
                except (httpx.HTTPError, AssertionError, KeyError) as error:
                    self.wrong.append(repr(error))
                self.count += 1

    def _once(self) -> None:
        content = jsonl(line("1", "ECHO " + "x" * 100_000))
        uploaded = self.api.form(content, purpose="batch")
        assert uploaded.status_code == 200, uploaded.text
        path = f"/files/{uploaded.json()['id']}"
        downloaded = self.api.raw("GET", f"{path}/content")
        assert downloaded.content == content, downloaded.status_code
        listed = self.api.raw("GET", "/files?limit=5")
        assert listed.status_code == 200, listed.text


@contextmanager
def working(nginx: Nginx, stack: Stack) -> Iterator[None]:
    """Let clients work while something happens; none of them may see it."""
    clients = [Client(nginx.base_url, stack.new_key()) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        yield
        time.sleep(3)
    finally:
        for client in clients:
            client.is_over.set()
        for client in clients:
            client.join()
    wrong = [client.wrong for client in clients]
    assert wrong == [[]] * len(clients), wrong
    assert all(client.count for client in clients)


# As systemd does: the socket is descriptor 3, and the variables say so.
ACTIVATED = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" -m gunicorn "$@"'


def start_on(sock: socket.socket, stack: Stack) -> subprocess.Popen[bytes]:
    """Run gunicorn on a socket that stays open after it."""
    folder = stack.site.folder
    config = str(folder / "vllm_batch" / "gunicorn.py")
    command = ["sh", "-c", ACTIVATED, sys.executable, "vllm_batch.wsgi", "-c", config]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=stack.env,
        preexec_fn=lambda: os.dup2(sock.fileno(), 3),
        pass_fds=[3],
    )


def stop(server: "subprocess.Popen[bytes]") -> None:
    """End it as `systemctl stop` does."""
    server.terminate()
    assert server.wait(60) == 0
