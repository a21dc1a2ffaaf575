"""The topology under load: as deployed, with the limits it is shipped with."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
import psycopg

from tests.rig.stack import UNLIMITED, Stack
from tests.topology.nginx import PREFIX, Nginx
from vllm_batch.environment import Environment
from workers.supervising import family

CLIENTS_PER_PROJECT = 10
WARM_UP = 60
_MAKE_KEYS = """
import uuid
from accounts.models import ApiKey, Project
for number in range({count}):
    if number % {each} == 0:
        project = Project.objects.create(name=uuid.uuid4().hex)
    print(ApiKey.issue(project, "load")[1])
"""
# The throw-away server forgets commits in a crash. A real one waits for the disk.
_AS_IN_PRODUCTION = ("fsync", "synchronous_commit", "full_page_writes")


class Topology:
    """PostgreSQL (running already), server, worker with the stub engine, nginx."""

    def __init__(self) -> None:
        rates = {
            name: str(Environment.model_fields[name].default) for name in UNLIMITED
        }
        self.stack = Stack(
            DOWNLOAD_ACCEL_PREFIX=PREFIX,
            TRUSTED_PROXIES="127.0.0.1/32",
            LOG_FORMAT="json",
            **rates,
        )
        self._parts = ExitStack()
        self._addresses = 0

    def __enter__(self) -> Self:
        try:
            self._parts.callback(self.stack.stop)
            self._start()
        except BaseException:
            print(self.stack.logs())
            self._parts.close()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self._parts.close()

    def _start(self) -> None:
        self.stack.prepare()
        self._harden_database()
        self.stack.start_stub()
        # So that PostgreSQL tells whose its connections are.
        self.stack.environment["PGAPPNAME"] = "web"
        self.stack.start_web()
        self.stack.environment["PGAPPNAME"] = "worker"
        self.stack.start_worker()
        folder = tempfile.TemporaryDirectory(prefix="load.")
        self.folder = Path(self._parts.enter_context(folder))
        address = urlsplit(self.stack.base_url).netloc
        nginx = self.folder / "nginx"
        self.nginx = Nginx(nginx, address, self.stack.folder / "batch")
        self._parts.callback(self.nginx.stop)
        self.nginx.start()
        self._warm_up()

    def _warm_up(self) -> None:
        """Let both processes load what the first requests of each load."""
        (key,) = self.keys(1)
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(headers=headers, timeout=60, trust_env=False) as client:
            for number in range(WARM_UP):
                path = ("models", "files", "batches")[number % 3]
                client.get(f"{self.base_url}/{path}").raise_for_status()

    def _harden_database(self) -> None:
        self._alter_database("SET {} = on")
        # The server may be one that other tests use, too.
        self._parts.callback(self._alter_database, "RESET {}")

    def _alter_database(self, order: str) -> None:
        with psycopg.connect(self.stack.server_url, autocommit=True) as connection:
            for name in _AS_IN_PRODUCTION:
                connection.execute(f"ALTER SYSTEM {order.format(name)}")
            connection.execute("SELECT pg_reload_conf()")

    @property
    def base_url(self) -> str:
        """Where clients ask: at nginx."""
        return self.nginx.base_url

    def keys(self, count: int) -> list[str]:
        """Return new keys; ten of them share a project."""
        script = _MAKE_KEYS.format(count=count, each=CLIENTS_PER_PROJECT)
        printed = self.stack.manage("shell", "--no-imports", "-c", script)
        return [line for line in printed.split() if line.startswith("sk-")]

    def addresses(self, count: int) -> list[str]:
        """Return loopback addresses that nobody had: limits are by address."""
        first, self._addresses = self._addresses, self._addresses + count
        return [
            f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"
            for number in range(first, first + count)
        ]

    def web_pids(self) -> list[int]:
        """Return gunicorn's processes that serve."""
        return [member.pid for member in family.descendants(self._web)]

    @property
    def _web(self) -> int:
        return self.stack.processes["web"].pid

    def web_connections(self) -> int:
        """Return how many connections to PostgreSQL the web processes hold."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web'"
        with psycopg.connect(self.stack.server_url) as connection:
            row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0

    def temporary_folders(self) -> list[Path]:
        """Return where uploads lie while they arrive: at nginx and at the server."""
        body = self.nginx.folder / "run" / "body"
        return [body, self.stack.folder / "batch" / "incoming"]

    def folders(self) -> list[Path]:
        """Return every folder an upload's bytes may lie in."""
        return [self.nginx.folder, self.stack.folder]


def files_below(*folders: Path) -> list[Path]:
    """Return the files in folders, however deep; some may vanish meanwhile."""
    return [
        Path(root, name)
        for folder in folders
        for root, _, names in os.walk(folder)
        for name in names
    ]
