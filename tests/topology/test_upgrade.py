"""An upgrade as docs/how-to/upgrade.md has it, under load: from the release before.

That is the newest tag; UPGRADE_FROM names another one, or a commit.
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

IDS = [str(n) for n in range(500)]


def git(*arguments: str) -> bytes:
    """Return what git prints, or nothing where it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)
    return done.stdout if done.returncode == 0 else b""


def release_before(folder: Path) -> str:
    """Lay the release before into a folder, and return its name; else skip."""
    tag = git("describe", "--tags", "--abbrev=0").decode().strip()
    name = os.environ.get("UPGRADE_FROM") or tag
    content = git("archive", name) if name else b""
    if not content:
        pytest.skip("git has no release before this one here: set UPGRADE_FROM")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return name


@pytest.mark.skipif(not find_nginx(), reason="nginx is not here")
def test_an_upgrade_under_load_loses_nothing(tmp_path):
    release_before(tmp_path / "old")
    stack = Stack(
        Site(tmp_path / "old", "vllm_batch", "/v1"),
        DOWNLOAD_ACCEL_PREFIX=PREFIX,
        TRUSTED_PROXIES="127.0.0.1",
        WORKER_LEASE_SECONDS="10",
    )
    try:
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as sock:
            stack.prepare()
            stack.start_stub()
            upgrade(stack, sock, tmp_path)
    except BaseException:
        print(stack.logs())
        raise
    finally:
        stack.stop()


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
