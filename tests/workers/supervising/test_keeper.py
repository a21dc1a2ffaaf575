"""The keeper leaves nothing behind, whoever dies first."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rig.process import ROOT
from workers.supervising import family
from workers.supervising.family import Member
from workers.supervising.keeper import DRAIN, NEWBORN, VANISHED
from workers.supervising.ledger import Ledger

# Starts a process that leaves the group and the session, as an engine may.
COMMAND = "setsid sleep 600 & exec sleep 600"
STUBBORN = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 600' & sleep 600"

Start = Callable[[str], subprocess.Popen[bytes]]


class Kept:
    """A keeper with a shell command, and the end of its lifeline."""

    def __init__(self, command: str, ledger: Path) -> None:
        read_end, self.lifeline = os.pipe()
        self.popen = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "workers.supervising.keeper",
                str(read_end),
                str(ledger),
                "",
            ]
            + ["sh", "-c", command],
            pass_fds=[read_end],
            cwd=ROOT,
            start_new_session=True,
        )
        os.close(read_end)
        self.members = self._wait_for_members()

    def _wait_for_members(self) -> list[Member]:
        ends_at = time.monotonic() + 10
        while time.monotonic() < ends_at:
            members = family.descendants(self.popen.pid)
            if sum(m.title.startswith("sleep") for m in members) == 2:
                time.sleep(0.4)  # so that the ledger has them
                return members
            time.sleep(0.02)
        raise AssertionError("the command did not start")

    def hang_up(self) -> None:
        """Close the lifeline."""
        os.close(self.lifeline)
        self.lifeline = -1

    def left(self) -> list[Member]:
        """Return which processes are still there."""
        return [member for member in self.members if family.is_there(member)]

    def clean(self) -> None:
        """End whatever a failed test left."""
        if self.lifeline >= 0:
            self.hang_up()
        self.popen.kill()
        self.popen.wait()
        family.end(self.members)


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[[str], Kept]]:
    """A function that starts a keeper."""
    kept: list[Kept] = []

    def start(command: str) -> Kept:
        kept.append(Kept(command, tmp_path / "ledger.json"))
        return kept[-1]

    yield start
    for one in kept:
        one.clean()


@pytest.mark.parametrize("command", [COMMAND, STUBBORN])
def test_all_ends_when_the_lifeline_closes(keep, command):
    kept = keep(command)

    kept.hang_up()

    assert kept.popen.wait(5) == 0
    assert kept.left() == []


def test_all_ends_when_the_command_ends(keep):
    kept = keep(COMMAND)

    os.kill(next(m.pid for m in kept.members if m.parent == kept.popen.pid), 9)

    assert kept.popen.wait(5) == signal.SIGKILL
    assert kept.left() == []


def test_signals_to_the_keeper_do_nothing(keep):
    kept = keep(COMMAND)

    kept.popen.terminate()
    time.sleep(0.3)

    assert kept.popen.poll() is None
    assert kept.left() == kept.members


def test_a_drain_ends_the_command_alone_and_then_the_rest(keep):
    kept = keep(COMMAND)

    os.write(kept.lifeline, DRAIN)

    assert kept.popen.wait(5) == signal.SIGTERM
    assert kept.left() == []


def test_the_next_keeper_ends_what_a_killed_one_left(keep):
    first = keep(COMMAND)
    first.popen.kill()
    first.popen.wait()
    assert first.left() != []

    keep(COMMAND)

    assert first.left() == []


def test_a_ledger_of_another_boot_names_nobody(tmp_path):
    path = tmp_path / "ledger.json"
    me = family.find(os.getpid())
    assert me is not None
    path.write_text(f'{{"boot": "another", "processes": [[{me.pid}, {me.started}]]}}')

    Ledger(str(path)).end_all()  # or this test would end here


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 1}'])
def test_a_damaged_ledger_is_no_obstacle(tmp_path, text):
    path = tmp_path / "ledger.json"
    path.write_text(text)

    Ledger(str(path)).end_all()


def test_a_ledger_that_cannot_be_written_is_no_obstacle(tmp_path):
    me = family.find(os.getpid())
    assert me is not None

    Ledger(str(tmp_path / "missing" / "ledger.json")).note([me])


# Its main process forks a sentinel, and that a worker which is killed at once and
# reaped: no look at the process table could find any of it.
STILLBIRTH = """
import os, time
from workers.supervising.lifeline import tie_forks
tie_forks()
if os.fork() == 0:
    time.sleep(0.6)
    if (pid := os.fork()) == 0:
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
time.sleep(60)
"""


def test_a_worker_killed_at_its_birth_ends_the_cluster(tmp_path):
    read_end, lifeline = os.pipe()
    started = time.monotonic()

    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "workers.supervising.keeper",
            str(read_end),
            str(tmp_path / "l"),
            "",
        ]
        + [sys.executable, "-c", STILLBIRTH],
        pass_fds=[read_end],
        cwd=ROOT,
        capture_output=True,
        timeout=30,
        check=False,
    )

    os.close(lifeline)
    os.close(read_end)
    assert ended.returncode == VANISHED and NEWBORN.encode() in ended.stderr
    assert time.monotonic() - started < 10


def test_a_kernel_without_lists_of_children_is_scanned(monkeypatch):
    child = subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr(family, "_HAS_CHILDREN", False)
    monkeypatch.setattr(os, "listdir", _no_tasks(os.listdir))
    try:
        assert child.pid in [m.pid for m in family.descendants(os.getpid())]
    finally:
        child.kill()
        child.wait()


def _no_tasks(listdir: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def limited(path: object) -> list[str]:
        return [] if str(path).endswith("task") else listdir(path)

    return limited
