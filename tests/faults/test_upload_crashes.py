"""A web process killed at any step of an upload leaves a whole file or nothing."""

from pathlib import Path

import pytest

from tests.rig.history import Recorder, Unanswered, lines
from tests.rig.rig import Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

# Where `fault(…)` stands on an upload's way, and whether its row is committed there.
POINTS = {
    "upload.received": False,
    "file.linked": False,
    "upload.stored": False,
    "upload.saved": True,
}
# What lies there a day later, when the ops queue comes by.
PURGE = """
import os
from pathlib import Path
from django.conf import settings
from files.litter import purge_incoming
for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
    os.utime(path, (0, 0))
purge_incoming()
"""


def stored(rig: Rig) -> set[str]:
    """Return the names below `files/` and those of whatever lies beside."""
    folder = rig.stack.folder / "batch"
    places = (folder / "files", folder / "incoming")
    found = (path for place in places for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found}


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_in_an_upload_leaves_a_whole_file_or_nothing(
    rig: Rig, client: Recorder, point: str
):
    content = lines(point, 5000)
    rig.stack.manage("shell", "--no-imports", "-c", PURGE)
    before = stored(rig)

    rig.arm(point, 1, "kill")
    with pytest.raises(Unanswered):
        client.upload(content)
    assert rig.passes(point) == 1
    rig.stack.manage("shell", "--no-imports", "-c", PURGE)

    data = client.insist(lambda: client.send("GET", "/files")).json()["data"]
    assert len(data) == POINTS[point]
    assert stored(rig) - before == {path_of(rig, file["id"]) for file in data}
    assert all(client.content(file["id"]) == content for file in data)
    client.upload(content)
    client.must_be_good()


def path_of(rig: Rig, file: str) -> str:
    ((path,),) = rig.query(f"SELECT path FROM vllm_files_file WHERE id = '{file}'")
    return str(Path(path))
