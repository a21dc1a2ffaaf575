"""The real Label Studio: one process, SQLite, loopback."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from tests.rig.process import Process

TOKEN = "0123456789012345678901234567890123456789"
EMAIL, PASSWORD = "annotator@example.com", "pass-word-1"
START_SECONDS = 280
QUIET = {
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LATEST_VERSION_CHECK": "false",
    # Its webhooks may call this machine.
    "SSRF_PROTECTION_ENABLED": "false",
}


def venv() -> Path:
    """Return the virtual environment that has it."""
    return Path(os.environ["LABEL_STUDIO_VENV"])


class Server:
    """A Label Studio on a copy of a database that is migrated once and kept."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="label-studio."))
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = self.folder / "data"
        self._personal = ""
        kept = venv() / "migrated"
        if not kept.exists():
            self._migrate(kept)
        shutil.copytree(kept, self.data)
        self._process = self._new(self.data)

    def _migrate(self, kept: Path) -> None:
        """The first start makes the tables and the user: a minute."""
        first = Path(tempfile.mkdtemp(prefix="migrated.", dir=venv()))
        self._process = self._new(first)
        self.start()
        self.stop()
        first.rename(kept)

    def _new(self, data: Path) -> Process:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DATABASE", "DJANGO", "PYTEST", "PG"))
        }
        own = {"LABEL_STUDIO_BASE_DATA_DIR": str(data), "HOME": str(data)}
        program = str(venv() / "bin" / "label-studio")
        command = [
            program, "start", "--no-browser", "--internal-host", "127.0.0.1",
            "--port", str(self.port), "--username", EMAIL, "--password", PASSWORD,
            "--user-token", TOKEN, "--enable-legacy-api-token",
        ]  # fmt: skip
        env = {**inherited, **QUIET, **own}
        log = self.folder / "log"
        return Process("label studio", command, env=env, log=log, cwd=self.folder)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process.start()
        ends_at = time.monotonic() + START_SECONDS
        while time.monotonic() < ends_at and self._process.is_alive:
            try:
                if requests.get(f"{self.url}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.3)
        raise AssertionError(self._process.output())

    def stop(self) -> None:
        """Stop it; its data stay."""
        self._process.stop(20)

    def remove(self) -> None:
        """Stop it and remove every trace."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, path: str, **sent: Any) -> Any:
        """Call its API as the annotator."""
        headers = {"Authorization": f"Token {TOKEN}"}
        url = f"{self.url}{path}"
        answer = requests.request(method, url, headers=headers, timeout=60, **sent)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def personal_token(self) -> str:
        """Return the personal access token: a user has one at a time."""
        if not self._personal:
            self._personal = self.call("POST", "/api/token/", json={})["token"]
        return self._personal

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """Return all tasks of a project, by its own export."""
        query = {"exportType": "JSON", "download_all_tasks": "true"}
        found = self.call("GET", f"/api/projects/{project}/export", params=query)
        return sorted(found, key=lambda task: int(task["id"]))

    def sdk(self, program: str, **names: Any) -> Any:
        """Run a program with label-studio-sdk; it prints JSON."""
        start = "import json\nfrom label_studio_sdk import LabelStudio\n"
        start += f"ls = LabelStudio(base_url={self.url!r}, api_key={TOKEN!r})\n"
        start += "".join(f"{name} = {value!r}\n" for name, value in names.items())
        done = subprocess.run(
            [str(venv() / "bin" / "python"), "-c", start + program],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


if __name__ == "__main__":
    # Migrates, if that was not done before.
    shutil.rmtree(Server().folder)
