"""How the project logs: one line an event, to standard error, without clients' words.

Whose work an event is part of comes from the context: whoever takes up a request or a
batch says so by `working_on`, and every record until the end of it has the ids. No
Django in here: the keeper logs by it too.
"""

import json
import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TypeAlias

# Set for a worker's processes: slot@host.
WORKER = "VLLM_BATCH_WORKER"
FORMAT = "VLLM_BATCH_LOG_FORMAT"
WITHHELD = "(message withheld)"
LINE = "%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s"
OURS = (
    "accounts", "batches", "curation", "files", "monitoring", "vllm_batch", "workers",
)  # fmt: skip
# What these say is about machines and programs, never about what a client sent.
_SAFE = (OSError, AttributeError, ImportError, MemoryError, NameError)
_SAFE_NAMES = {"OperationalError", "InterfaceError", "ImproperlyConfigured"}

ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None]
    | tuple[None, None, None]
)


@dataclass(frozen=True, slots=True)
class Work:
    """What a record belongs to; empty: to none."""

    request_id: str = ""
    batch_id: str = ""
    project: str = ""


work: ContextVar[Work] = ContextVar("work", default=Work())  # noqa: B039 - is frozen


@contextmanager
def working_on(**ids: str) -> Iterator[None]:
    """Let every record in this block tell these ids, besides those it has."""
    token = work.set(replace(work.get(), **ids))
    try:
        yield
    finally:
        work.reset(token)


def begin(request_id: str) -> None:
    """Start on an HTTP request; its thread's next one ends this.

    What Django and Sentry say of a request once it is answered still has its id.
    """
    work.set(Work(request_id=request_id))


def note(**ids: str) -> None:
    """Add ids to the block this is called in."""
    work.set(replace(work.get(), **ids))


def current_request_id() -> str:
    """Return the id of the HTTP request that is being answered, or an empty string."""
    return work.get().request_id


def worker() -> str:
    """Return the worker this process belongs to, or an empty string."""
    return os.environ.get(WORKER, "")


def message_of(error: BaseException) -> str:
    """Return what an exception says if that can be no client's text, else WITHHELD.

    A decoder's error quotes the prompt and a database's the row. Types and tracebacks
    always stay.
    """
    kinds = type(error).__mro__
    is_safe = isinstance(error, _SAFE) or any(
        kind.__name__ in _SAFE_NAMES or kind.__module__.split(".")[0] in OURS
        for kind in kinds
    )
    if not is_safe:
        return WITHHELD
    lines = str(error).splitlines() or [""]
    return lines[0]  # a database's further lines quote rows and statements


def chain(error: BaseException | None) -> list[BaseException]:
    """Return an exception and what led to it, the first one first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.insert(0, error)
        hidden = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or hidden
    return found


class LineFormatter(logging.Formatter):
    """Writes a line for people."""

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 - logging's name
        """Return the traceback, without messages that may quote a client."""
        parts = []
        for error in chain(ei[1]):
            frames = "".join(traceback.format_tb(error.__traceback__))
            parts.append(f"{frames}{type(error).__qualname__}: {message_of(error)}")
        return "\n\n".join(parts)


class JsonFormatter(LineFormatter):
    """Writes one JSON object a line, always with the same keys first."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of ASCII."""
        here = work.get()
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": here.request_id,
            "batch_id": here.batch_id,
            "worker": worker(),
            "process": record.process,
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def logging_settings(level: str, form: str = "text") -> dict[str, Any]:
    """Return Django's LOGGING for the given lowest level and LOG_FORMAT."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": LineFormatter, "format": LINE},
            "json": {"()": JsonFormatter},
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django gives it a handler of its own, in a form of its own.
            "django": {"handlers": [], "level": level, "propagate": True},
            # The queue logs every doorbell; only its troubles matter.
            "django-q": {"level": "WARNING"},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            # They log every statement, and every step of a loop.
            "django.db.backends": {"level": max_level(level, "INFO")},
            "asyncio": {"level": max_level(level, "INFO")},
        },
    }


def max_level(level: str, least: str) -> str:
    """Return the higher one of two levels."""
    names = logging.getLevelNamesMapping()
    return level if names[level] >= names[least] else least


def log_without_django() -> None:
    """Log as the process that started this one does."""
    handler = logging.StreamHandler()
    is_json = os.environ.get(FORMAT) == "json"
    handler.setFormatter(JsonFormatter() if is_json else LineFormatter(LINE))
    logging.basicConfig(handlers=[handler])
