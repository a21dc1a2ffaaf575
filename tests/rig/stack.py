"""The whole product as real processes: web server, stub engine, worker, database."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg

from tests.rig import template
from tests.rig.process import ROOT, Process

PYTHON = sys.executable
# Tests ask faster than clients do.
UNLIMITED = {
    f"RATE_{what}": "0"
    for what in (
        "BATCHES_PER_ADDRESS",
        "BATCHES_PER_KEY",
        "UPLOADS_PER_ADDRESS",
        "UPLOADS_PER_KEY",
        "LOGINS_PER_ADDRESS",
        "LOGINS_PER_NAME",
    )
}
KEYS_AT_A_TIME = 40
_MAKE_KEYS = """
import uuid
from accounts.models import ApiKey, Project
for _ in range({count}):
    name = uuid.uuid4().hex
    print(ApiKey.issue(Project.objects.create(name=name), name)[1])
"""


@dataclass(frozen=True)
class Site:
    """The Django project that a stack runs."""

    folder: Path
    package: str
    api_path: str


STAND_ALONE = Site(ROOT, "vllm_batch", "/v1")


class Stack:
    """Start it, use `base_url` and `new_key()`, stop it.

    On PostgreSQL (DATABASE_URL) it has a database of its own, else SQLite in `folder`.
    `client_url` may lead its processes to the server by another way.
    """

    def __init__(self, site: Site = STAND_ALONE, /, **environment: str) -> None:
        self.site = site
        self.folder = Path(tempfile.mkdtemp(prefix="stack."))
        self.environment = environment
        self.server_url = os.environ.get("DATABASE_URL", "")
        self.client_url = self.server_url
        self._database = ""
        self._keys: list[str] = []
        self.processes: dict[str, Process] = {}
        self.base_url = ""
        self.stub_url = ""

    @property
    def env(self) -> dict[str, str]:
        """The environment of every process of the stack."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": f"{self.site.package}.settings",
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.url_of(self.client_url),
            "WEB_CONCURRENCY": "2",
            **UNLIMITED,
            **self.environment,
        }

    def url_of(self, server: str) -> str:
        """Return the address of this stack's database on a server."""
        return template.on(server, self._database) if server else ""

    def prepare(self) -> None:
        """Create the database with its tables."""
        if self.server_url and self.site == STAND_ALONE:
            template.copy(self.server_url, self._name_database(), self.env)
        else:
            self.create_database()
            self.manage("migrate", "--noinput")

    def create_database(self) -> None:
        """Create the empty database of this stack, under the name it had if any."""
        if self.server_url:
            name = self._name_database()
            with psycopg.connect(self.server_url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")

    def _name_database(self) -> str:
        self._database = self._database or f"stack_{uuid.uuid4().hex[:12]}"
        return self._database

    def drop_database(self) -> None:
        """Remove it with all that is in it."""
        if self._database:
            with psycopg.connect(self.server_url, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {self._database} WITH (FORCE)")

    def manage(self, *arguments: str) -> str:
        """Run a command and return what it printed."""
        done = subprocess.run(
            [PYTHON, "manage.py", *arguments],
            env=self.env,
            cwd=self.site.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def launch(
        self, name: str, *command: str, cwd: str = "", **environment: str
    ) -> Process:
        """Start a process of the stack, in the site's folder unless told otherwise."""
        log = self.folder / f"{name}.log"
        env = {**self.env, **environment}
        folder = Path(cwd) if cwd else self.site.folder
        process = Process(name, list(command), env=env, log=log, cwd=folder)
        self.processes[name] = process.start()
        return process

    def start_stub(self) -> None:
        """Start the stub engine and serve its two models through it."""
        self.launch_stub("0")
        models = [
            f'[[model]]\nname = "{name}"\nengine = "openai_http"\n'
            f'source = "{self.stub_url}/v1"\n'
            for name in ("stub", "stub-2")
        ]
        self.load_models("\n".join(models))

    def launch_stub(self, port: str = "") -> None:
        """Start the stub engine, on its old port unless told otherwise."""
        port = port or self.stub_url.rpartition(":")[2]
        stub = self.launch("stub", PYTHON, "manage.py", "stub_engine", "--port", port)
        self.stub_url = stub.wait_for(r"stub engine on (\S+)")[1]

    def calls(self) -> dict[str, int]:
        """Return how often the stub engine was sent each line."""
        url = f"{self.stub_url}/_calls"
        found: dict[str, int] = httpx.get(url, trust_env=False, timeout=60).json()
        return found

    def load_models(self, toml: str) -> None:
        """Load the models of a TOML text."""
        path = self.folder / "models.toml"
        path.write_text(toml)
        self.manage("load_models", str(path))

    def start_web(self) -> None:
        """Start the web server, on a free port or the one it had."""
        bind = urlsplit(self.base_url).netloc or "127.0.0.1:0"
        web = self.launch(
            "web", PYTHON, "-m", "gunicorn", f"{self.site.package}.wsgi",
            "--config", str(ROOT / "vllm_batch/gunicorn.py"), "--bind", bind,
        )  # fmt: skip
        address = web.wait_for(r"Listening at: (http://\S+)")[1]
        self.base_url = address + self.site.api_path

    def start_worker(self, slot: str = "gpu0", **environment: str) -> Process:
        """Start a GPU slot with its ops queue, from a folder that is not the site's."""
        name = "worker" if slot == "gpu0" else f"worker-{slot}"
        manage = str(self.site.folder / "manage.py")
        command = (PYTHON, manage, "runworker", "--slot", slot)
        worker = self.launch(name, *command, cwd=str(self.folder), **environment)
        worker.wait_for("working")
        return worker

    def start(self) -> "Stack":
        """Start everything, with the stub as engine."""
        self.prepare()
        self.start_stub()
        self.start_web()
        self.start_worker()
        return self

    def new_key(self) -> str:
        """Return the key of a project that nobody used before."""
        if not self._keys:
            script = _MAKE_KEYS.format(count=KEYS_AT_A_TIME)
            lines = self.manage("shell", "--no-imports", "-c", script).split()
            self._keys = [line for line in lines if line.startswith("sk-")]
        return self._keys.pop()

    @contextmanager
    def watched(self) -> Iterator["Stack"]:
        """End it after the block; print the logs if something in there fails."""
        try:
            yield self
        except BaseException:
            print(self.logs())
            raise
        finally:
            self.stop()

    def stop(self) -> None:
        """End every process, the workers first; remove database and folder."""
        for name in sorted(self.processes, key=lambda n: not n.startswith("worker")):
            self.processes[name].stop()
        self.drop_database()
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self) -> str:
        """Return the ends of all logs, for a failure's report."""
        return "\n".join(
            f"--- {name}\n{process.output()[-3000:]}"
            for name, process in self.processes.items()
        )
