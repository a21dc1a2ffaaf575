"""A batch's faults by line, each with the start of the line itself."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from batches.lines import open_input
from batches.models import BatchJob
from files.models import File
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import read_lines

SHOWN_FAULTS = 200
SHOWN_LETTERS = 300
# Reading the lines stops after so long; the faults stand there without them then.
SECONDS = 0.3


@dataclass(frozen=True)
class Fault:
    """What is wrong, with which key of which line; `text` is the line's start."""

    code: str
    message: str
    line: int | None = None
    param: str = ""
    text: str = ""


def faults_of(batch: BatchJob) -> tuple[list[Fault], int]:
    """Return the first faults of a batch and the number of all."""
    data: list[dict[str, Any]] = (batch.errors or {}).get("data") or []
    found = [
        Fault(
            code=str(entry.get("code") or ""),
            message=str(entry.get("message") or ""),
            line=entry.get("line"),
            param=str(entry.get("param") or ""),
        )
        for entry in data[:SHOWN_FAULTS]
    ]
    texts = _texts(batch, {fault.line for fault in found if fault.line})
    return [replace(f, text=texts.get(f.line or 0, "")) for f in found], len(data)


def _texts(batch: BatchJob, numbers: set[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    files = File.objects.of(batch.project).visible(database_now())
    if not numbers or not files.filter(pk=batch.input_file_id).exists():
        return found
    ends_at = time.monotonic() + SECONDS
    with suppress(OSError), open_input(batch) as stream:
        for line in read_lines(stream, conf().BATCH_MAX_LINE_BYTES):
            if line.number in numbers:
                start = line.content[: 4 * SHOWN_LETTERS].decode(errors="replace")
                found[line.number] = start[:SHOWN_LETTERS]
            if len(found) == len(numbers) or time.monotonic() > ends_at:
                break
    return found
