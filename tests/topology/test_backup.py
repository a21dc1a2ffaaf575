"""The drill: back up while a batch runs, lose everything, restore, and miss nothing."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.client import Api, jsonl, line
from tests.rig.stack import Stack
from tests.topology.clients import project

pytestmark = pytest.mark.topology

IDS = [str(n) for n in range(600)]


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A stack of its own: the test destroys it."""
    stack = Stack(
        WORKER_LEASE_SECONDS="5", WORKER_SEGMENT_LINES="32", WORKER_WINDOW="8"
    )
    with stack.watched():
        yield stack.start()


def lose_everything(stack: Stack) -> None:
    """Kill all that writes, and remove database, files and key."""
    for name in ("worker", "web"):
        stack.processes[name].kill()
        stack.processes[name].stop()
    for path in stack.folder.iterdir():
        if path.suffix not in (".log", ".toml"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    stack.drop_database()


def come_back(stack: Stack, backup: Path) -> None:
    """Restore and start again, as docs/how-to/back-up.md says."""
    stack.create_database()
    stack.manage("restore", str(backup))
    stack.manage("migrate", "--noinput")
    stack.start_web()
    stack.start_worker()


def some_results(api: Api, batch_id: str) -> None:
    """Wait until some, and not all, of a batch's lines have ended."""
    while not (done := api.batch(batch_id)["request_counts"]["completed"]):
        time.sleep(0.05)
    assert done < len(IDS)


def test_a_backup_of_a_running_batch_brings_everything_back(stack, tmp_path):
    with project(stack.base_url, stack.new_key()) as api:
        drill(stack, api, tmp_path)


def drill(stack: Stack, api: Api, tmp_path: Path) -> None:
    ended = api.run(line("old", "ECHO old"))
    old_output = api.raw("GET", f"/files/{ended['output_file_id']}/content").content
    other = api.up(b"anything\n", name="a.txt", purpose="user_data")
    api.client.files.delete(api.up(b"gone\n", name="g.txt", purpose="user_data").id)
    file = api.up(jsonl(*[line(n, f"SLEEP 0.2 {n}") for n in IDS]))
    batch = api.mk(file.id)
    some_results(api, batch.id)

    stack.manage("backup", str(tmp_path / "b"))
    at_backup = api.batch(batch.id)["request_counts"]["completed"]
    lose_everything(stack)
    come_back(stack, tmp_path / "b")
    restored = api.batch(batch.id)
    done = api.wait(batch.id, seconds=120)

    assert restored["status"] == "in_progress"
    assert 0 < restored["request_counts"]["completed"] <= at_backup
    assert done["status"] == "completed"
    assert set(api.union(done, IDS)) == set(IDS)
    assert api.raw("GET", f"/files/{other.id}/content").content == b"anything\n"
    kept = api.raw("GET", f"/files/{ended['output_file_id']}/content").content
    assert kept == old_output
    names = {file["filename"] for file in api.raw("GET", "/files").json()["data"]}
    assert "g.txt" not in names


@pytest.fixture(scope="module")
def site() -> Iterator[Stack]:
    """A server without a worker, so that nobody else purges."""
    stack = Stack()
    try:
        stack.prepare()
        stack.start_web()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def taken(site: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with at least one stored file; nobody changes it."""
    folder = tmp_path_factory.mktemp("backup") / "b"
    with project(site.base_url, site.new_key()) as api:
        api.up(b"anything\n", name="a.txt", purpose="user_data")
    site.manage("backup", str(folder))
    return folder


@pytest.fixture
def backup(taken: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(taken, tmp_path / "b"))


@pytest.fixture
def empty() -> Iterator[Stack]:
    """An installation without tables and files."""
    stack = Stack()
    stack.create_database()
    yield stack
    stack.stop()


def refusal(stack: Stack, *arguments: str) -> str:
    """Run a command that must fail, and return what it said."""
    with pytest.raises(AssertionError) as caught:
        stack.manage(*arguments)
    return str(caught.value)


def test_nothing_is_overwritten(site, empty, backup):
    (empty.folder / "batch" / "files").mkdir(parents=True)
    (empty.folder / "batch" / "files" / "a").touch()

    assert "exists already" in refusal(site, "backup", str(backup))
    assert "has tables already" in refusal(site, "restore", str(backup))
    assert "is not empty" in refusal(empty, "restore", str(backup))


def test_a_damaged_backup_changes_nothing(empty, backup):
    stored = next((backup / "batch" / "files").rglob("file-*"))
    content = stored.read_bytes()
    stored.write_bytes(content[:-1] + b"!")

    said = refusal(empty, "restore", str(backup))

    assert "lost or damaged" in said and stored.name in said
    assert not list((empty.folder / "batch").rglob("file-*"))


def test_a_backup_cannot_write_outside_the_storage(empty, backup):
    manifest = backup / "manifest.json"
    manifest.write_text(manifest.read_text().replace("files/", "../../files/"))

    assert "leads out of the storage" in refusal(empty, "restore", str(backup))


def test_only_its_owner_may_read_a_backup(taken):
    assert os.stat(taken).st_mode & 0o077 == 0


def test_a_file_that_was_deleted_meanwhile_stays_deleted(site, empty, backup):
    manifest = json.loads((backup / "manifest.json").read_text())
    gone = manifest["stored"].pop()
    manifest["gone"].append(gone["path"])
    (backup / "batch" / gone["path"]).unlink()
    (backup / "manifest.json").write_text(json.dumps(manifest))

    empty.manage("restore", str(backup))

    ask = "from files.models import File; print(File.objects.filter(deleted_at=None))"
    assert gone["path"].split("/")[-1] not in empty.manage(
        "shell", "--no-imports", "-c", ask
    )


def test_purge_expired_frees_the_bytes_of_deleted_files(site):
    with project(site.base_url, site.new_key()) as api:
        file = api.up(b"anything\n", name="a.txt", purpose="user_data")
        api.client.files.delete(file.id)

    said = site.manage("purge_expired")

    assert said.startswith("Purged")
    assert not list((site.folder / "batch" / "files").rglob(file.id))
