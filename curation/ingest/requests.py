"""Find a result's request in the input file, in any order and in little memory."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, NamedTuple

import msgspec

from batches.lines import open_input
from batches.models import BatchJob
from batches.validation import BatchRequestInput
from files.models import File
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import BOM, read_lines

_decoder = msgspec.json.Decoder(BatchRequestInput)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TABLE = (
    "CREATE TABLE lines (key BLOB PRIMARY KEY, source INT, number INT, start INT,"
    " length INT) WITHOUT ROWID"
)


class Found(NamedTuple):
    """A request: the batch it was sent in, its line there, and its body's bytes."""

    batch: BatchJob
    line: int
    body: bytes


class Requests:
    """The lines of a batch's input by custom id; a merged batch has its parents' too.

    The index is a private database that SQLite keeps on disk once it is large.
    """

    def __init__(self, batches: list[BatchJob], streams: list[IO[bytes]]) -> None:
        self._batches, self._streams = batches, streams
        self._index = sqlite3.connect("")
        self._index.execute(_TABLE)
        for source, stream in enumerate(streams):
            self._read(source, stream)

    def _read(self, source: int, stream: IO[bytes]) -> None:
        rows = (
            (_key(custom_id), source, number, start, length)
            for custom_id, number, start, length in _places(stream)
        )
        # A line that ran again is found where it ran last.
        self._index.executemany("INSERT OR IGNORE INTO lines VALUES (?,?,?,?,?)", rows)

    def find(self, custom_id: str) -> Found | None:
        """Return the request of this custom id, if it is there."""
        query = "SELECT source, number, start, length FROM lines WHERE key = ?"
        row = self._index.execute(query, (_key(custom_id),)).fetchone()
        if row is None:
            return None
        source, number, start, length = row
        stream = self._streams[source]
        stream.seek(start)
        content = stream.read(length).removeprefix(BOM if start == 0 else b"")
        body = bytes(_decoder.decode(content).body)
        return Found(self._batches[source], number, body)

    def close(self) -> None:
        """Drop the index."""
        self._index.close()


def _key(custom_id: str) -> bytes:
    return hashlib.sha256(custom_id.encode(errors="surrogatepass")).digest()[:16]


def _places(stream: IO[bytes]) -> Iterator[tuple[str, int, int, int]]:
    for line in read_lines(stream, conf().BATCH_MAX_LINE_BYTES):
        try:
            if not line.is_blank:
                custom_id = _decoder.decode(line.content).custom_id
                yield custom_id, line.number, line.offset, line.length
        except _UNREADABLE:  # of a batch that failed its validation
            continue


@contextmanager
def open_requests(batch: BatchJob) -> Iterator[Requests]:
    """Open a batch's requests; raises FileNotFoundError if its input is gone."""
    with ExitStack() as stack:
        batches, streams = [], []
        current: BatchJob | None = batch
        while current is not None:
            try:
                streams.append(stack.enter_context(open_input(current)))
            except (File.DoesNotExist, FileNotFoundError) as error:
                if current is batch:
                    raise FileNotFoundError(batch.input_file_id) from error
                break
            batches.append(current)
            current = current.parent if current.is_merged else None
        requests = Requests(batches, streams)
        stack.callback(requests.close)
        yield requests
