"""What clients order, already checked for form."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


def _digest(**parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class BatchOrder:
    """A new batch."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_expires_seconds: int | None = None
    priority: int = 0
    is_dry_run: bool = False
    canary: dict[str, Any] | None = None
    manifest_of: str | None = None

    def digest(self) -> str:
        """Return a hash that tells two orders apart."""
        return _digest(**asdict(self))


@dataclass(frozen=True, kw_only=True)
class RetryOrder:
    """Failed lines of a batch, to be run again: all of them, unless told otherwise.

    `metadata` is the new batch's own if `has_metadata`, else the parent's.
    """

    causes: tuple[str, ...] | None = None
    custom_ids: tuple[str, ...] | None = None
    is_merged: bool = False
    metadata: dict[str, str] | None = None
    has_metadata: bool = False

    def digest(self, parent_id: str) -> str:
        """Return a hash that tells two orders apart."""
        return _digest(retry=parent_id, **asdict(self))
