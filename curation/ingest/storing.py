"""Write a page of answers: items, candidates, tasks."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import transaction

from curation.canonical import digest_text
from curation.ingest.answers import Answer
from curation.ingest.prompts import Prompt, Request
from curation.models import Candidate, Item, Queue
from curation.ordering.priority import normal_hash
from curation.ordering.tasking import make_tasks
from curation.queues import add_sources

PAGE_ANSWERS = 200
PAGE_CHARACTERS = 4_000_000
LONGEST_REVISION = 255


class Entry(NamedTuple):
    """An answer that belongs to a prompt; the candidate has no item yet."""

    prompt: Prompt
    candidate: Candidate


def make_candidate(
    batch_id: str,
    line: int,
    custom_id: str,
    *,
    request: Request,
    answer: Answer,
    manifest: Any = None,
    revision: str = "",
    checks: dict[str, Any] | None = None,
) -> Candidate:
    """Put an answer and its provenance into a row that is not saved yet."""
    return Candidate(
        batch_id=batch_id,
        line=line,
        custom_id=custom_id,
        model=request.model,
        model_revision=revision[:LONGEST_REVISION],
        parameters=request.parameters,
        parameters_hash=request.parameters_hash,
        manifest=manifest,
        output=answer.output,
        text=answer.text,
        text_hash=digest_text(answer.text),
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        logprob_mean=answer.logprob_mean,
        logprob_least_gap=answer.logprob_least_gap,
        checks={
            **answer.checks,
            **(checks or {}),
            "length": len(answer.text),
            "normal_hash": normal_hash(answer.text),
        },
    )


@dataclass
class Page:
    """Entries on their way into the database; a full page is written at once."""

    queue: Queue
    answers: int = 0
    tasks: int = 0
    _entries: list[Entry] = field(default_factory=list)
    _characters: int = 0

    def add(self, entry: Entry) -> None:
        """Take an entry; write what there is if that is enough."""
        self.hold(entry)
        if self.is_full:
            self.write()

    def hold(self, entry: Entry) -> None:
        """Take an entry without writing."""
        self._entries.append(entry)
        self._characters += len(entry.candidate.text)

    @property
    def is_full(self) -> bool:
        """Tell whether it is time to write."""
        is_long = self._characters >= PAGE_CHARACTERS
        return is_long or len(self._entries) >= PAGE_ANSWERS

    def write(self) -> dict[tuple[str, int], int]:
        """Store the entries and their tasks; return the items by batch and line."""
        entries, self._entries, self._characters = self._entries, [], 0
        if not entries:
            return {}
        items = _store(self.queue, entries)
        self.answers += len(entries)
        # After the COMMIT, so that of two batches at once the later one sees both.
        self.tasks += make_tasks(self.queue, set(items.values()))
        return items


def _store(queue: Queue, entries: list[Entry]) -> dict[tuple[str, int], int]:
    with transaction.atomic():
        add_sources(queue, {entry.candidate.batch_id for entry in entries})
        return store_entries(queue.project_id, entries)


def store_entries(project_id: int, entries: list[Entry]) -> dict[tuple[str, int], int]:
    """Store answers and their prompts; return the items by batch and line."""
    prompts = {entry.prompt.hash: entry.prompt.input for entry in entries}
    # Always in one order: two writers of the same prompts cannot block each other.
    items = [
        Item(project_id=project_id, input_hash=key, input=prompts[key])
        for key in sorted(prompts)
    ]
    with transaction.atomic():
        Item.objects.bulk_create(items, ignore_conflicts=True)
        rows = Item.objects.filter(project=project_id, input_hash__in=prompts)
        ids = dict(rows.values_list("input_hash", "pk"))
        for entry in entries:
            entry.candidate.item_id = ids[entry.prompt.hash]
        candidates = [entry.candidate for entry in entries]
        candidates.sort(key=lambda one: (one.batch_id, one.line))
        Candidate.objects.bulk_create(candidates, ignore_conflicts=True)
    return {(one.batch_id, one.line): one.item_id for one in candidates}
