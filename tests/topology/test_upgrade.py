"""An upgrade as docs/how-to/upgrade.md has it, under load: from the release before.

That is the newest tag before this commit. As long as there is none, it is the commit in
previous_release.txt: it starts by itself, and its tables are those that
tests/api/test_zero_downtime.py counts as released. UPGRADE_FROM names another one.
"""

import io
import os
import socket
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from tests.conformance.client import Api, jsonl, line
from tests.rig.process import ROOT
from tests.rig.stack import STAND_ALONE, Site, Stack
from tests.topology.clients import start_on, stop, working
from tests.topology.nginx import PREFIX, Nginx, find_nginx

pytestmark = [pytest.mark.topology, pytest.mark.timeout(600)]

PREVIOUS = Path(__file__).with_name("previous_release.txt")
IDS = [str(n) for n in range(500)]


def git(*arguments: str) -> tuple[bytes, str]:
    """Return what git prints, and its complaint where it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)
    except FileNotFoundError:
        return b"", "git is not installed"
    complaint = done.stderr.decode(errors="replace").strip()
    return (b"", complaint) if done.returncode else (done.stdout, "")


def release_before() -> str:
    """Return the name of the release that is upgraded from."""
    tag, _ = git("describe", "--tags", "--abbrev=0", "HEAD^")
    return tag.decode().strip() or PREVIOUS.read_text().split()[0]


def lay_out_release(folder: Path) -> None:
    """Lay the release before into a folder; skip where history does not have it."""
    wanted = os.environ.get("UPGRADE_FROM")
    name = wanted or release_before()
    content, complaint = git("archive", "--format=tar", name)
    if not content:
        give_up = pytest.fail if wanted else pytest.skip
        give_up(f"the release before, {name}, is not in this checkout: {complaint}")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")


@pytest.mark.skipif(not find_nginx(), reason="nginx is not here")
def test_an_upgrade_under_load_loses_nothing(tmp_path):
    lay_out_release(tmp_path / "old")
    stack = Stack(
        Site(tmp_path / "old", "vllm_batch", "/v1"),
        DOWNLOAD_ACCEL_PREFIX=PREFIX,
        TRUSTED_PROXIES="127.0.0.1",
        WORKER_LEASE_SECONDS="10",
    )
    with (
        stack.watched(),
        socket.create_server(("127.0.0.1", 0), backlog=2048) as sock,
    ):
        stack.prepare()
        stack.start_stub()
        upgrade(stack, sock, tmp_path)


def upgrade(stack: Stack, sock: socket.socket, folder: Path) -> None:
    worker = stack.start_worker()
    server = start_on(sock, stack)
    address = f"127.0.0.1:{sock.getsockname()[1]}"
    nginx = Nginx(folder, address, stack.folder / "batch").start()
    api = Api(nginx.base_url, stack.new_key())
    try:
        batch = api.mk(api.up(jsonl(*[line(n, f"SLEEP 2 {n}") for n in IDS])).id)
        with working(nginx, stack):
            time.sleep(2)
            stack.site = STAND_ALONE
            stack.manage("migrate", "--noinput")
            time.sleep(3)  # the old code works on the new tables
            stop(server)
            server = start_on(sock, stack)
            worker.stop()
            stack.start_worker()
        done = api.wait(batch.id, seconds=200)
        assert done["status"] == "completed"
        assert set(api.union(done, IDS)) == set(IDS)
    finally:
        stop(server)
        nginx.stop()
        api.http.close()
        api.client.close()
