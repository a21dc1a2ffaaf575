"""The base of result handlers, and what they are given."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class GiveUp(Exception):
    """Raised by a handler: trying again cannot help. Its text is kept with the run."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line's record: of the output file, or of the error file.

    A line that an engine answered has a `status_code` and a `body`. One that was not
    run has neither, but `error_code` and `error_message`.
    """

    id: str
    custom_id: str
    status_code: int | None = None
    request_id: str | None = None
    body: dict[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def is_success(self) -> bool:
        """Tell whether the line was answered with status 200."""
        return self.status_code == 200

    @property
    def text(self) -> str | None:
        """The first text of a chat, completions or responses answer, else None.

        What no database stores (U+0000, lone surrogates) is U+FFFD in it.
        """
        try:
            text = _first_text(self.body or {})
        except (LookupError, TypeError, AttributeError):
            return None
        return None if text is None else _UNSTORABLE.sub("\ufffd", text)


def _first_text(body: dict[str, Any]) -> str | None:
    if "output" in body:
        parts = [part for item in body["output"] for part in item.get("content") or []]
        texts = [part["text"] for part in parts if part.get("type") == "output_text"]
        text = texts[0]
    else:
        choice = body["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
    return text if isinstance(text, str) else None


class Results(Protocol):
    """A batch's records, read from storage while one iterates; as often as wanted."""

    def __iter__(self) -> Iterator[Result]:
        """Start from the first record."""


@dataclass(frozen=True)
class Counts:
    """How the lines ended; `cut_off` and `invalid_output` are among `completed`."""

    total: int
    completed: int
    failed: int
    cut_off: int = 0
    invalid_output: int = 0
    folded: int = 0


@dataclass(frozen=True)
class BatchMetadata:
    """The facts of an ended batch."""

    batch_id: str
    project_id: int
    project_name: str
    # completed, failed, expired or cancelled
    status: str
    endpoint: str
    models: tuple[str, ...]
    counts: Counts
    input_tokens: int
    output_tokens: int
    created_at: datetime
    in_progress_at: datetime | None
    ended_at: datetime
    input_file_id: str
    output_file_id: str | None
    error_file_id: str | None
    # What the client gave the batch.
    metadata: dict[str, str] = field(default_factory=dict)
    # Why a batch `failed`: code, line, message, param.
    errors: tuple[dict[str, Any], ...] = ()
    # What the batch ran on: engine version, arguments, hardware, as far as is known.
    manifest: dict[str, Any] = field(default_factory=dict)


class ResultHandler:
    """Does something with the results of each batch that has ended.

    Subclass it, say what `handle` does, and register the class. An instance is made for
    each call, without arguments. It runs in the ops queue's processes, beside other
    handlers, which it neither delays nor is delayed by.
    """

    # Told apart by it, in the database too; the class's dotted path if empty.
    name: ClassVar[str] = ""

    @classmethod
    def key(cls) -> str:
        """Return the name the handler is known by."""
        return cls.name or f"{cls.__module__}.{cls.__qualname__}"

    def enabled(self) -> bool:
        """Tell whether batches that end now are to be handled; keep it quick.

        It is asked inside the transaction that ends the batch.
        """
        return True

    def handle(self, batch_id: str, results: Results, metadata: BatchMetadata) -> bool:
        """Handle one ended batch; True if that is done.

        False or an exception means: try again later. After the last try the run is a
        dead letter, which the admin and `manage.py replay_handlers` run again. Raise
        GiveUp if trying again cannot help.

        It may be called more than once for a batch, even after it returned True (the
        process may die before that is noted), so make it safe to repeat: use
        `update_or_create`, or a key that is the same each time. It is called for
        failed, expired and cancelled batches too; `metadata.status` tells.
        """
        raise NotImplementedError
