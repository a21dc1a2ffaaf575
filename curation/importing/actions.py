"""Bring a foreign file into a queue: in pages, safe to repeat, bad rows by number."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from curation.audit.recording import SHELL, Actor
from curation.canonical import clean, clean_text, digest
from curation.exceptions import UnsuitableFile
from curation.importing import generic, label_studio, openai
from curation.importing.deciding import Decided, decide
from curation.importing.reading import Row, array_rows, jsonl_rows
from curation.importing.records import BadRecord, ForeignAnswer, Record
from curation.ingest.answers import make_answer
from curation.ingest.handing_over import note_import, ring_families
from curation.ingest.prompts import LONGEST_MODEL, Request, read_prompt
from curation.ingest.storing import PAGE_ANSWERS, Entry, Page, make_candidate
from curation.models import Queue

Reader = Callable[[Any], Record]
_READERS: dict[str, tuple[Callable[[IO[bytes]], Iterator[Row]], Reader]] = {
    "label_studio": (array_rows, label_studio.read_row),
    "openai": (jsonl_rows, openai.read_row),
    "jsonl": (jsonl_rows, generic.read_row),
}
FORMATS = tuple(_READERS)
BLOCK = 1 << 20


@dataclass
class ImportReport:
    """What became of a file's rows."""

    rows: int = 0
    answers: int = 0
    tasks: int = 0
    decisions: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)


def import_file(
    queue: Queue, file_format: str, stream: IO[bytes], by: Actor = SHELL
) -> ImportReport:
    """Import a file; the same one again changes nothing. Raises UnsuitableFile.

    It is noted before the first page is written: pages are transactions of their own.
    """
    if file_format not in _READERS:
        raise UnsuitableFile(f"Formats are: {', '.join(FORMATS)}.")
    rows_of, read = _READERS[file_format]
    import_id = _import_id(queue, file_format, stream)
    run = _Import(queue, file_format, import_id)
    note_import(queue, by, f"{import_id} ({file_format})")
    for row in rows_of(stream):
        run.take(row, read)
    run.write()
    if run.report.answers:
        ring_families(queue.project_id)
    return run.report


def _import_id(queue: Queue, file_format: str, stream: IO[bytes]) -> str:
    """Return what the file is called as a source: equal for equal bytes."""
    hasher = hashlib.sha256(f"{queue.project_id} {file_format} ".encode())
    while block := stream.read(BLOCK):
        hasher.update(block)
    stream.seek(0)
    return f"import_{hasher.hexdigest()[:32]}"


class _Import:
    """An import under way: a page of answers, and what was decided about them."""

    def __init__(self, queue: Queue, file_format: str, import_id: str) -> None:
        self.report = ImportReport()
        self._format, self._id = file_format, import_id
        self._page = Page(queue)
        self._decided: list[Decided] = []
        # Answers are counted over the file: the number is the candidate's line.
        self._line = 0

    def take(self, row: Row, read: Reader) -> None:
        """Add a row's answers, or note what is wrong with it."""
        try:
            if row.error:
                raise BadRecord(row.error)
            record = read(row.value)
            entries = [
                self._entry(row, record, place) for place in range(len(record.answers))
            ]
        except BadRecord as error:
            self.report.bad.append((row.number, clean_text(str(error))[:300]))
            return
        self.report.rows += 1
        first = self._line - len(entries) + 1
        if record.chosen is not None or record.corrections:
            self._decided.append(Decided(self._id, first, record))
        # A record's answers are written together.
        for entry in entries:
            self._page.hold(entry)
        if self._page.is_full or len(self._decided) >= PAGE_ANSWERS:
            self.write()

    def _entry(self, row: Row, record: Record, place: int) -> Entry:
        foreign = record.answers[place]
        answer = make_answer(
            foreign.message, finish_reason=foreign.finish_reason, usage=foreign.usage
        )
        if answer is None:
            raise BadRecord("an answer has no text")
        prompt = read_prompt(record.prompt)
        self._line += 1
        origin: dict[str, Any] = {"format": self._format, "row": row.number}
        if place == 0:
            # Nothing is lost: what has no place of its own is kept here.
            origin["record"] = clean(record.original)
        candidate = make_candidate(
            self._id,
            self._line,
            clean_text(record.key or f"row {row.number}"),
            request=_request(prompt, foreign, place),
            answer=answer,
            manifest={"import": origin},
            checks={"decided": True} if record.chosen is not None else {},
        )
        return Entry(prompt, candidate)

    def write(self) -> None:
        """Store what was taken so far."""
        items = self._page.write()
        self.report.answers, self.report.tasks = self._page.answers, self._page.tasks
        self.report.decisions += decide(self._decided, items)
        self._decided = []


def _request(prompt: Any, foreign: ForeignAnswer, place: int) -> Request:
    """Return where an answer came from; without a model's name it has its place's."""
    parameters = clean(foreign.parameters)
    model = clean_text(foreign.model)[:LONGEST_MODEL] or f"imported {place + 1}"
    return Request(prompt, model, parameters, digest(parameters))
