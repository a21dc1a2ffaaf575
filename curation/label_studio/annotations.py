"""Annotations as Label Studio returns them, read into values."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from curation.label_studio import labelling


class Unreadable(ValueError):
    """The annotation is none that our configuration makes."""


@dataclass(frozen=True)
class Annotation:
    """One annotation: what was chosen, and by whom.

    `completed_by` made it, `updated_by` changed it last: any user may change any
    annotation there. `verdict` is one of the configuration's, or empty.
    """

    id: int
    verdict: str
    correction: str
    is_gold: bool
    is_skipped: bool
    completed_by: int
    updated_by: int
    updated_at: str
    seconds: float

    @property
    def author(self) -> int:
        """Whose word it is now."""
        return self.updated_by

    @property
    def digest(self) -> str:
        """The same as long as it says the same."""
        said = (self.verdict, self.correction, self.is_gold, self.is_skipped)
        text = repr((self.id, self.author, *said))
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_annotation(raw: Mapping[str, Any]) -> Annotation:
    """Read one annotation; raises Unreadable."""
    try:
        completed_by = _user(raw["completed_by"])
        updated_by = raw.get("updated_by")
        return Annotation(
            id=int(raw["id"]),
            verdict=_verdict(raw["result"] or []),
            correction=_correction(raw["result"] or []),
            is_gold=_is_gold(raw),
            is_skipped=bool(raw.get("was_cancelled")),
            completed_by=completed_by,
            updated_by=completed_by if updated_by is None else _user(updated_by),
            updated_at=str(raw.get("updated_at", "")),
            seconds=_seconds(raw.get("lead_time")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def _user(value: Any) -> int:
    """Return a user's id: an annotation has it, or the whole user."""
    return int(value["id"] if isinstance(value, Mapping) else value)


def _seconds(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and 0 <= value < 1e6
    return float(value) if is_number else 0.0


def _values(result: Any, name: str, kind: str) -> list[Any]:
    """Return what a control holds. `to_name` differs with who wrote it: not asked."""
    found: list[Any] = []
    for part in result:
        if part.get("from_name") == name and part.get("type") == kind:
            value = part["value"]["text" if kind == "textarea" else kind]
            found += value if isinstance(value, list) else [value]
    return found


def _verdict(result: Any) -> str:
    chosen = _values(result, labelling.VERDICT, "choices")
    known = {word for words in labelling.VERDICTS.values() for word in words}
    if len(chosen) > 1 or any(word not in known for word in chosen):
        raise Unreadable(f"the verdict is {chosen!r}")
    return str(chosen[0]) if chosen else ""


def _correction(result: Any) -> str:
    texts = _values(result, labelling.CORRECTION, "textarea")
    text = "\n".join(str(text) for text in texts)
    # What no database stores.
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _is_gold(raw: Mapping[str, Any]) -> bool:
    chosen = _values(raw["result"] or [], labelling.GOLD, "choices")
    return labelling.GOLD in chosen or bool(raw.get("ground_truth"))
