"""Slow clients cost others nothing, and a restart of the server loses no request."""

import os
import signal
import socket
import time
from contextlib import ExitStack

import pytest

from tests.topology.clients import start_on, stop, working
from tests.topology.nginx import Nginx

pytestmark = pytest.mark.topology

# More than the server has threads: 2 processes of 8.
SLOW = 60


def _begin(port: int, key: str, head: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    # What a slow reader does not take has to stay at nginx.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lines = f"{head}\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    sock.sendall(lines.encode())
    return sock


def test_slow_clients_do_not_block_others(api, nginx):
    stored = api.up(b"x" * 20_000_000, name="a.bin", purpose="user_data")
    form = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9999\r\n"
    with ExitStack() as held:
        for _ in range(SLOW):
            held.enter_context(_begin(nginx.port, api.key, "POST /v1/files HTTP/1.1"))
            sender = _begin(nginx.port, api.key, "POST /v1/files HTTP/1.1")
            held.enter_context(sender).sendall(f"{form}\r\n--x\r\n".encode())
            path = f"/v1/files/{stored.id}/content"
            reader = _begin(nginx.port, api.key, f"GET {path} HTTP/1.1")
            held.enter_context(reader).sendall(b"\r\n")

        answers = [api.raw("GET", "/files").status_code for _ in range(40)]

    assert answers == [200] * 40


def test_new_processes_under_load_lose_no_request(deployed, nginx):
    web = deployed.processes["web"].popen.pid

    with working(nginx, deployed):
        for _ in range(3):
            time.sleep(2)
            os.kill(web, signal.SIGHUP)


def test_a_restart_under_load_loses_no_request(deployed, tmp_path):
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as sock:
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        nginx = Nginx(tmp_path, address, deployed.folder / "batch").start()
        server = start_on(sock, deployed)
        try:
            with working(nginx, deployed):
                for _ in range(2):
                    time.sleep(4)
                    stop(server)
                    server = start_on(sock, deployed)
        finally:
            stop(server)
            nginx.stop()
