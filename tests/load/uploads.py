"""Large uploads, all at once: memory and disk stay bounded, bytes stay right (T20)."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from tests.load.calls import outcome_of
from tests.load.figures import Figure
from tests.load.topology import Topology, files_below
from tests.load.watch import MB, Watch, watching

BLOCK_BYTES = 1 << 20
BOUNDARY = "----load"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file";'
    ' filename="in.jsonl"\r\n\r\n'
)
END = f"\r\n--{BOUNDARY}--\r\n"
GROWTH_MB = 50
LEFTOVER_SECONDS = 60
PATIENCE = aiohttp.ClientTimeout(total=600)


@dataclass
class Upload:
    """One file, made while it is sent: a line of its own in each block."""

    number: int
    size: int
    file: str = ""
    fault: str = ""
    sent: str = ""
    seconds: float = 0

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the form, and note the hash of the file in it."""
        digest = hashlib.sha256()
        yield HEAD.encode()
        for offset in range(0, self.size, BLOCK_BYTES):
            line = f"{self.number} {offset} ".encode().ljust(BLOCK_BYTES - 1, b"x")
            block = (line + b"\n")[: self.size - offset]
            digest.update(block)
            yield block
        self.sent = digest.hexdigest()
        yield END.encode()

    async def send(self, http: aiohttp.ClientSession, base_url: str) -> None:
        """Upload it."""
        length = len(HEAD) + self.size + len(END)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Content-Length": str(length),
        }
        started = time.monotonic()
        url = f"{base_url}/files"
        try:
            async with http.post(url, data=self.body(), headers=headers) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.fault = repr(error)
            return
        self.seconds = time.monotonic() - started
        if answer.status == 200:
            self.file = json.loads(content)["id"]
        else:
            self.fault = outcome_of(answer.status, answer.headers, content)

    async def is_right(self, http: aiohttp.ClientSession, base_url: str) -> bool:
        """Download it and compare."""
        digest = hashlib.sha256()
        url = f"{base_url}/files/{self.file}/content"
        async with http.get(url) as answer:
            async for block in answer.content.iter_chunked(BLOCK_BYTES):
                digest.update(block)
        return answer.status == 200 and digest.hexdigest() == self.sent


@dataclass(frozen=True)
class Uploads:
    """How many at once, of how many bytes."""

    count: int
    size: int

    async def run(self, topology: Topology) -> list[Figure]:
        """Upload all at once, look at what is left over, and download them."""
        uploads = [Upload(number, self.size) for number in range(self.count)]
        sessions = [
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(local_addr=(address, 0)),
                headers={"Authorization": f"Bearer {key}"},
                timeout=PATIENCE,
            )
            for address, key in zip(
                topology.addresses(self.count), topology.keys(self.count), strict=True
            )
        ]
        url = topology.base_url
        try:
            async with watching(topology, every=0.5, at_disk=True) as watch:
                await asyncio.gather(
                    *(u.send(s, url) for u, s in zip(uploads, sessions, strict=True))
                )
            left = await _leftovers(topology)
            right = [
                bool(upload.file) and await upload.is_right(session, url)
                for upload, session in zip(uploads, sessions, strict=True)
            ]
        finally:
            for session in sessions:
                await session.close()
        print("refused uploads:", [u.fault for u in uploads if u.fault] or "none")
        return self._figures(uploads, right, left, watch)

    def _figures(
        self, uploads: list[Upload], right: list[bool], left: int, watch: Watch
    ) -> list[Figure]:
        total = self.count * self.size / MB
        disk = (max(watch.disk) - watch.disk[0]) / MB
        slowest = max(upload.seconds for upload in uploads)
        return [
            Figure("uploads at once", self.count, None),
            Figure("… bytes of each", self.size / MB, None, "MB"),
            Figure("… the slowest took", slowest, None, "s"),
            Figure("… not accepted", sum(not u.file for u in uploads), 0),
            Figure("… with wrong bytes", right.count(False), 0),
            Figure("memory of a web process", watch.memory_growth(), GROWTH_MB, "MB"),
            # Each byte lies at nginx and at the server, for a while; beside them logs.
            Figure("disk at the peak", disk, 2.02 * total + 10, "MB"),
            Figure("temporary files left", left, 0),
        ]


async def _leftovers(topology: Topology) -> int:
    """Return how many temporary files are still there after a minute at most."""
    ends_at = time.monotonic() + LEFTOVER_SECONDS
    while True:
        left = len(files_below(*topology.temporary_folders()))
        if not left or time.monotonic() > ends_at:
            return left
        await asyncio.sleep(0.5)
