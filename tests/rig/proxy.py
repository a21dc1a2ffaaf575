"""A way to PostgreSQL that can be cut or go silent, on Unix sockets."""

import asyncio
import socket
import struct
import tempfile
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

SOCKET = ".s.PGSQL.5432"
COMMIT = b"COMMIT\0"
_PEER = struct.Struct("3i")


@dataclass(eq=False)
class Link:
    """One client's connection."""

    pid: int
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    is_silent: bool = False


class DatabaseProxy:
    """Stands between the stack and its PostgreSQL; runs in a thread."""

    def __init__(self, server: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="proxy."))
        self._server = server / SOCKET
        self._links: set[Link] = set()
        self._cuts_left = 0
        self.cuts = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """The DATABASE_URL of the server behind."""
        return f"postgresql://app@{quote(str(self.folder), safe='')}/postgres"

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        """Drop everything."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        (self.folder / SOCKET).unlink(missing_ok=True)
        self.folder.rmdir()

    def cut_after_commits(self, number: int) -> None:
        """Let the next COMMITs reach the server, but no answer reach the client."""
        self._cuts_left = number

    def go_silent(self, *pids: int) -> int:
        """Swallow all bytes on the connections those processes have now."""
        links = [link for link in list(self._links) if not pids or link.pid in pids]
        for link in links:
            link.is_silent = True
        return len(links)

    def speak(self) -> None:
        """Drop the silent connections."""
        self._call(self._drop_silent())

    def _call(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        path = self.folder / SOCKET
        self._listener = await asyncio.start_unix_server(self._serve, path)

    async def _close(self) -> None:
        self._listener.close()
        for link in self._links:
            _close(link)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _drop_silent(self) -> None:
        for link in self._links:
            if link.is_silent:
                _close(link)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        link = Link(_peer(writer), [writer])
        self._links.add(link)
        try:
            back, forth = await asyncio.open_unix_connection(self._server)
            link.writers.append(forth)
            await asyncio.gather(
                self._pump(link, reader, forth, is_client=True),
                self._pump(link, back, writer, is_client=False),
            )
        except OSError:
            pass
        finally:
            _close(link)
            self._links.discard(link)

    async def _pump(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_client: bool,
    ) -> None:
        while data := await reader.read(1 << 16):
            if link.is_silent:
                continue
            writer.write(data)
            await writer.drain()
            if is_client and self._cuts_left and COMMIT in data:
                self._cuts_left -= 1
                self.cuts += 1
                link.is_silent = True
                link.writers[0].transport.abort()
                # The server has the COMMIT; let it do it before its client is gone.
                await asyncio.sleep(0.2)
                return _close(link)
        if not link.is_silent:
            _close(link)


def _close(link: Link) -> None:
    for writer in link.writers:
        writer.close()


def _peer(writer: asyncio.StreamWriter) -> int:
    """Return the process id at the other end."""
    held: socket.socket = writer.get_extra_info("socket")
    found = held.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid: int = _PEER.unpack(found)[0]
    return pid
