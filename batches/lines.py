"""Read a chunk's lines back from the input file."""

from collections.abc import Iterator
from typing import IO, NamedTuple, cast

import msgspec
from msgspec import Raw, Struct

from batches.models import BatchJob, Chunk
from files.models import File, batch_storage
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import read_lines


class InputLine(NamedTuple):
    """One request: its line, its `custom_id` as JSON, and the client's body bytes."""

    number: int
    custom_id: bytes
    body: bytes


class _Line(Struct):
    custom_id: Raw
    body: Raw


class _Model(Struct):
    model: str


_line_decoder = msgspec.json.Decoder(_Line)
_model_decoder = msgspec.json.Decoder(_Model)


def open_input(batch: BatchJob) -> IO[bytes]:
    """Open the batch's input, even if its file was deleted since (contract R32)."""
    path = File.objects.values_list("path", flat=True).get(pk=batch.input_file_id)
    return cast(IO[bytes], batch_storage().open(path))


def is_done(bitmap: bytes | bytearray | memoryview, position: int) -> bool:
    """Tell whether the line at `position` of the chunk's span has a result."""
    return bool(bitmap[position // 8] & (1 << (position % 8)))


def mark_done(bitmap: bytearray, position: int) -> None:
    """Note that the line at `position` of the chunk's span has a result."""
    bitmap[position // 8] |= 1 << (position % 8)


def pending_lines(
    stream: IO[bytes], chunk: Chunk, *, is_mixed: bool
) -> Iterator[InputLine]:
    """Yield the chunk's requests that have no result yet, in file order."""
    stream.seek(chunk.first_byte)
    end = chunk.first_line + chunk.span
    done = bytes(chunk.done)
    for line in read_lines(stream, conf().BATCH_MAX_LINE_BYTES, chunk.first_line):
        if line.number >= end:
            return
        if line.is_blank or is_done(done, line.number - chunk.first_line):
            continue
        parsed = _line_decoder.decode(line.content)
        if is_mixed and _model_decoder.decode(parsed.body).model != chunk.model:
            continue
        yield InputLine(line.number, bytes(parsed.custom_id), bytes(parsed.body))
