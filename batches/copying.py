"""Find and copy whole lines of files: of inputs for a retry, of records for a merge.

Line by line, so a file of any size costs no memory but the custom ids looked for.
"""

from collections.abc import Callable, Iterator
from typing import IO

import msgspec

from batches.retrying import read_failed
from batches.validation import BatchRequestInput
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import Line, read_lines

LINES_BETWEEN_SIGNS = 1000
_decoder = msgspec.json.Decoder(BatchRequestInput)


def requests(stream: IO[bytes]) -> Iterator[tuple[str, Line]]:
    """Yield each request line of a validated input file with its custom id."""
    for line in read_lines(stream, conf().BATCH_MAX_LINE_BYTES):
        if not line.is_blank:
            yield _decoder.decode(line.content).custom_id, line


def copy_requests(source: IO[bytes], wanted: set[str], target: IO[bytes]) -> None:
    """Copy the lines whose custom id is in `wanted`, and take those out of it."""
    for custom_id, line in requests(source):
        if custom_id in wanted:
            wanted.discard(custom_id)
            target.write(line.content + b"\n")
        if not wanted:
            return


def records(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of an error file, newline included, split at newlines only."""
    return iter(stream.readline, b"")


def copy_records(
    source: IO[bytes],
    target: IO[bytes],
    *,
    without: set[str],
    keep_alive: Callable[[], None],
) -> None:
    """Copy the records of an error file whose custom id is not in `without`."""
    for number, record in enumerate(records(source)):
        if number % LINES_BETWEEN_SIGNS == 0:
            keep_alive()
        if read_failed(record).custom_id not in without:
            target.write(record)
