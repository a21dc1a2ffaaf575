"""A TCP connection to PostgreSQL whose far end is gone is given up in time."""

import ctypes
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from django.conf import settings

from tests.rig.proxy import SOCKET
from vllm_batch.database import database_settings
from vllm_batch.environment import Environment

DATABASE: dict[str, Any] = settings.DATABASES["default"]
pytestmark = pytest.mark.skipif(
    "postgresql" not in DATABASE["ENGINE"]
    or not DATABASE["HOST"].startswith("/")
    or sys.platform != "linux",
    reason="needs Linux and a PostgreSQL on a Unix socket",
)
SILENCE_SECONDS = 3
# Linux's number, and a filter of one instruction: take no byte of any packet.
SO_ATTACH_FILTER = 26
DROP_ALL = struct.pack("HBBI", 6, 0, 0, 0)


class Tunnel:
    """A way to the server over TCP, whose end can vanish as a pulled plug would."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection with the settings of a process without a pool."""
        url = f"postgresql://{DATABASE['USER']}@127.0.0.1:{self.port}/postgres"
        environment = Environment(
            DATABASE_URL=url,
            DATABASE_POOL=False,
            DATABASE_SILENCE_SECONDS=SILENCE_SECONDS,
        )
        options = dict(database_settings(environment)["OPTIONS"])
        options.pop("pool")
        threading.Thread(target=self._accept, daemon=True).start()
        return psycopg.connect(url, **options, autocommit=True)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{DATABASE['HOST']}/{SOCKET}")
        self._ends = [near, far]
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(one, other), daemon=True).start()

    def vanish(self) -> None:
        """Answer nothing any more: the kernel does not even acknowledge."""
        program = ctypes.create_string_buffer(DROP_ALL)
        pointer = struct.pack("HL", 1, ctypes.addressof(program))
        self._ends[0].setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)

    def close(self) -> None:
        """Close everything."""
        for end in (*self._ends, self._listener):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)


@pytest.fixture
def tunnel() -> Iterator[Tunnel]:
    """A way to the tests' own server."""
    tunnel = Tunnel()
    yield tunnel
    tunnel.close()


def test_a_statement_that_nobody_acknowledges_fails_in_time(tunnel):
    with tunnel.connect() as connection:
        tunnel.vanish()
        started = time.monotonic()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")

    assert time.monotonic() - started < 4 * SILENCE_SECONDS


def test_a_statement_whose_answer_never_comes_fails_in_time(tunnel):
    with tunnel.connect() as connection:
        threading.Timer(0.5, tunnel.vanish).start()
        started = time.monotonic()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT pg_sleep(60)")

    assert time.monotonic() - started < 5 * SILENCE_SECONDS
