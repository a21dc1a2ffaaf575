"""Hashes that can be recomputed from what is stored, on any database."""

import hashlib
import unicodedata
from typing import Any

from curation.canonical import canonical

BLOCK = 1 << 20


def normal(value: Any) -> Any:
    """Return JSON in its one spelling: text in NFC, whole numbers without a point.

    PostgreSQL gives 1e+22 back as an integer, so both have to be the same.
    """
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {normal(key): normal(item) for key, item in value.items()}
    return [normal(item) for item in value] if isinstance(value, list) else value


def digest_payload(payload: object) -> str:
    """Return the SHA-256 of an example's canonical JSON, in hexadecimal digits."""
    return hashlib.sha256(canonical(normal(payload)).encode()).hexdigest()


class Manifest:
    """The hash over a version: members in their order, then the filter and rules."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()

    def add(self, ordinal: int, split: str, payload_hash: str) -> None:
        """Take the next member."""
        self._hasher.update(f"{ordinal} {split} {payload_hash}\n".encode())

    def seal(self, chosen_by: object, rules_version: int) -> str:
        """Return the hash over all that was added, the filter and the rules."""
        whole = self._hasher.copy()
        whole.update(f"{canonical(normal(chosen_by))} {rules_version}\n".encode())
        return whole.hexdigest()
