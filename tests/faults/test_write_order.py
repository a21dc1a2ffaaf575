"""Nothing is promised before it is on the disk (T12): the order the kernel sees.

fsync of the file, then its name, then fsync of the folder, then the database.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.rig.history import Recorder, lines
from tests.rig.rig import Rig
from tests.rig.strace import Call, Strace, has_strace
from workers.supervising import family

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not has_strace(), reason="strace is not installed"),
]
NAMES = ("link", "linkat", "rename", "renameat", "renameat2")
SYNCS = ("fsync", "fdatasync")


def trace(rig: Rig, log: Path) -> Strace:
    """Trace the web server's processes and all of the worker's."""
    roots = [rig.stack.processes[name].pid for name in ("web", "worker")]
    members = [m.pid for root in roots for m in family.descendants(root)]
    try:
        return Strace([*roots, *members], log)
    except PermissionError as refusal:
        pytest.skip(f"no process may be traced here: {refusal}")


def names_given(calls: list[Call], folder: Path) -> dict[str, int]:
    """Return where in the trace each stored file got its name."""
    found = {}
    for index, call in enumerate(calls):
        if call.name in NAMES and call.paths[-1].startswith(str(folder)):
            found[call.paths[-1]] = index
    return found


def check(calls: list[Call], index: int) -> None:
    """Assert the order around one name."""
    name = calls[index]
    source, target = name.paths[-2], name.paths[-1]
    before = [i for i, call in enumerate(calls[:index]) if call.paths[:1] == [source]]
    writes = [i for i in before if "write" in calls[i].name]
    syncs = [i for i in before if calls[i].name in SYNCS]
    assert writes and syncs and max(syncs) > max(writes), target

    folder = os.path.dirname(target)
    for call in calls[index + 1 :]:
        if call.thread != name.thread:
            continue
        assert not call.changes_database, f"{target}: {call.text[:200]}"
        if call.name in SYNCS and call.paths[:1] == [folder]:
            return
    pytest.fail(f"the folder of {target} was never synced")


GOOD = [
    Call(1, "write", "(3</b/in/x>, ...) = 9"),
    Call(1, "fsync", "(4</b/in/x>) = 0"),
    Call(1, "link", '("/b/in/x", "/b/files/y") = 0'),
    Call(1, "fsync", "(5</b/files>) = 0"),
    Call(1, "sendto", '(6<UNIX>, "Q COMMIT") = 9'),
]
# The order of the calls above; each of these breaks one rule.
BROKEN = [(0, 2, 3, 4), (1, 0, 2, 3, 4), (0, 1, 2, 4, 3), (0, 1, 2, 4)]


@pytest.mark.parametrize("order", BROKEN)
def test_the_check_turns_red(order: tuple[int, ...]):
    calls = [GOOD[number] for number in order]
    name = next(i for i, call in enumerate(calls) if call.name == "link")

    check(GOOD, 2)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(calls, name)


def test_every_file_is_on_the_disk_before_the_database_knows_it(
    rig: Rig, client: Recorder, tmp_path: Path
):
    folder = rig.stack.folder / "batch"
    earlier = {path for path in folder.rglob("*") if path.is_file()}

    strace = trace(rig, tmp_path / "strace.log")
    client.finish(client.submit(lines("order", 500)), 120)
    calls = strace.stop()

    found = names_given(calls, folder)
    stored = {path for path in folder.rglob("*") if path.is_file()} - earlier
    assert {str(path) for path in stored} <= set(found)
    for index in found.values():
        check(calls, index)
    kinds = Counter(Path(path).relative_to(folder).parts[0] for path in found)
    assert kinds["files"] >= 2 and sum(kinds.values()) >= 4, kinds
    client.must_be_good()
