"""Watch processes, connections and disk while clients work."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.load.topology import Topology, files_below

MB = 1_000_000
# Until then caches fill and code is loaded.
WARM_UP = 1 / 3


@dataclass
class Watch:
    """What was seen of the web processes and the disk, in bytes and by second."""

    seconds: list[float] = field(default_factory=list)
    memory: dict[int, list[int]] = field(default_factory=dict)
    connections: list[int] = field(default_factory=list)
    disk: list[int] = field(default_factory=list)

    def look(self, topology: Topology, *, at_disk: bool) -> None:
        """Take one sample."""
        self.seconds.append(time.monotonic())
        for pid in topology.web_pids():
            self.memory.setdefault(pid, []).append(resident(pid))
        self.connections.append(topology.web_connections())
        if at_disk:
            self.disk.append(stored(*topology.folders()))

    def first_memory(self) -> float:
        """Return the web processes' memory at the start, in MB, all together."""
        return sum(sizes[0] for sizes in self.memory.values()) / MB

    def last_memory(self) -> float:
        """Return the same at the end."""
        return sum(sizes[-1] for sizes in self.memory.values()) / MB

    def memory_growth(self) -> float:
        """Return the most that one process had beyond its start, in MB."""
        return max(max(s) - s[0] for s in self.memory.values()) / MB

    def memory_slope(self) -> float:
        """Return the steepest rise of a process after the warm-up, in MB a minute."""
        found = []
        for sizes in self.memory.values():
            start = int(len(sizes) * WARM_UP)
            minutes = [second / 60 for second in self.seconds[-len(sizes) :]]
            if len(sizes) - start > 2:
                line = statistics.linear_regression(minutes[start:], sizes[start:])
                found.append(line.slope / MB)
        return max(found, default=0.0)


@asynccontextmanager
async def watching(
    topology: Topology, every: float, *, at_disk: bool = False
) -> AsyncIterator[Watch]:
    """Watch until the block ends, in a thread: samples must not slow clients down."""
    watch = Watch()

    async def go_on() -> None:
        while True:
            await asyncio.to_thread(watch.look, topology, at_disk=at_disk)
            await asyncio.sleep(every)

    watch.look(topology, at_disk=at_disk)
    task = asyncio.create_task(go_on())
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        watch.look(topology, at_disk=at_disk)


def resident(pid: int) -> int:
    """Return a process' resident bytes, 0 if it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def stored(*folders: Path) -> int:
    """Return how many bytes of disk the files in folders take."""
    found: dict[int, int] = {}  # by inode: a file that is moved has two names
    for path in files_below(*folders):
        with suppress(OSError):
            stat = path.stat()
            found[stat.st_ino] = stat.st_blocks * 512
    return sum(found.values())
