"""Clients as they are: some run batches, most look, and all of them pause."""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.load.calls import Caller
from tests.rig.checker import TERMINAL, sha256
from tests.rig.history import CHAT, History, lines

LINES = 20
# Of ten batches one is cancelled while its lines, which take so long, run.
CANCELLED = 0.1
SLOW_LINE = "SLEEP 0.5"
CANCEL = frozenset({200, 409})  # 409: it had ended already


@dataclass(frozen=True)
class Pace:
    """How long a client works, and how many seconds it pauses on average."""

    ends_at: float
    pause: float

    @property
    def is_over(self) -> bool:
        """Tell whether the time is up."""
        return time.monotonic() >= self.ends_at

    async def rest(self) -> None:
        """Pause: mostly short, now and then long, never beyond the end."""
        wanted = min(random.expovariate(1 / self.pause), 3 * self.pause)
        await asyncio.sleep(max(0, min(wanted, self.ends_at - time.monotonic())))


async def work(pace: Pace, start: float, steps: Callable[[], Awaitable[None]]) -> None:
    """Begin after `start` seconds, then step and rest until the time is up."""
    await asyncio.sleep(start)
    while not pace.is_over:
        await steps()
        await pace.rest()


@dataclass
class Reader:
    """Lists, looks, downloads, and now and then uploads a small file."""

    caller: Caller
    history: History
    seen: dict[str, list[str]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)

    async def step(self) -> None:
        """Do one thing."""
        steps: dict[Callable[[], Awaitable[None]], int] = {
            self._list_files: 20,
            self._list_batches: 20,
            self._get_batch: 25,
            self._get_file: 15,
            self._models: 5,
            self._upload: 8,
            self._download: 7,
        }
        (chosen,) = random.choices(list(steps), list(steps.values()))
        await chosen()

    async def _list(self, what: str) -> None:
        page = await self.caller.ask_json(f"GET /{what}", query="?limit=20")
        if page is not None:
            self.seen[what] = [item["id"] for item in page["data"]]

    async def _list_files(self) -> None:
        await self._list("files")

    async def _list_batches(self) -> None:
        await self._list("batches")

    async def _get(self, what: str) -> None:
        if not self.seen.get(what):
            await self._list(what)
        else:
            one = random.choice(self.seen[what])
            await self.caller.ask(f"GET /{what}/{{id}}", one)

    async def _get_batch(self) -> None:
        await self._get("batches")

    async def _get_file(self) -> None:
        await self._get("files")

    async def _models(self) -> None:
        await self.caller.ask("GET /models")

    async def _upload(self) -> None:
        content = lines(uuid.uuid4().hex, random.randint(1, LINES))
        if file := await self.caller.upload(content, "user_data"):
            self.uploads[file] = content
            self.history.inputs[file] = content
            self.history.note("uploaded", file=file, sha256=sha256(content))

    async def _download(self) -> None:
        if not self.uploads:
            await self._upload()
            return
        file = random.choice(list(self.uploads))
        content = await self.caller.ask("GET /files/{id}/content", file)
        if content is not None and content != self.uploads[file]:
            self.caller.calls.wrong.append(f"{file}: other bytes than were sent")

    async def settle(self, ends_at: float) -> None:
        """Read the uploads again, for the checker."""
        for file in self.uploads:
            await note_content(self.caller, self.history, file)


@dataclass
class BatchRunner:
    """Uploads a batch file, creates, polls, sometimes cancels, downloads; again."""

    caller: Caller
    history: History
    files: list[str] = field(default_factory=list)
    batch: str = ""
    is_cancelling: bool = False
    # Created, and not known to have ended.
    open: list[str] = field(default_factory=list)
    # Uploaded, but not acknowledged as a batch yet.
    waiting: str = ""

    async def step(self) -> None:
        """Do the next thing."""
        if self.batch:
            await self._poll(self.batch)
        elif self.waiting:
            await self._create()
        else:
            await self._upload()

    async def _upload(self) -> None:
        self.is_cancelling = random.random() < CANCELLED
        directive = SLOW_LINE if self.is_cancelling else "ECHO"
        content = lines(uuid.uuid4().hex, LINES, directive)
        if file := await self.caller.upload(content, "batch"):
            self.waiting = file
            self.files.append(file)
            self.history.inputs[file] = content
            self.history.note("uploaded", file=file, sha256=sha256(content))

    async def _create(self) -> None:
        order = {
            "input_file_id": self.waiting,
            "endpoint": CHAT,
            "completion_window": "24h",
        }
        # Repeated until it is acknowledged, and yet one batch.
        headers = {"Idempotency-Key": f"once-{self.waiting}"}
        made = await self.caller.ask_json("POST /batches", json=order, headers=headers)
        if made is not None:
            self.batch = made["id"]
            self.open.append(self.batch)
            self.history.note("created", batch=self.batch, file=self.waiting)
            self.waiting = ""

    async def _poll(self, batch: str) -> None:
        found = await self.caller.ask_json("GET /batches/{id}", batch)
        if found is None:
            return
        counts = found["request_counts"]
        self.history.note("status", batch=batch, status=found["status"], counts=counts)
        if found["status"] in TERMINAL:
            await self._finish(found)
        elif self.is_cancelling:
            self.is_cancelling = False
            await self.caller.ask("POST /batches/{id}/cancel", batch, wanted=CANCEL)

    async def _finish(self, found: dict[str, Any]) -> None:
        contents = {}
        for kind in ("output", "error"):
            file = found[f"{kind}_file_id"]
            content: bytes | None = b""
            if file:
                content = await self.caller.ask("GET /files/{id}/content", file)
            if content is None:
                return  # asked again with the next poll
            contents[kind] = content
        self.open.remove(found["id"])
        self.batch = ""
        self.history.note(
            "result",
            batch=found["id"],
            status=found["status"],
            counts=found["request_counts"],
            usage=found["usage"],
            **contents,
        )

    async def settle(self, ends_at: float) -> None:
        """Wait for the last batch's end, and read the uploads again."""
        while self.open and time.monotonic() < ends_at:
            await self._poll(self.open[0])
            await asyncio.sleep(0.5 if self.open else 0)
        for file in self.files:
            await note_content(self.caller, self.history, file)


async def note_content(caller: Caller, history: History, file: str) -> None:
    """Read a file and note what was read."""
    content = await caller.ask("GET /files/{id}/content", file)
    if content is not None:
        history.note("content", file=file, sha256=sha256(content))
