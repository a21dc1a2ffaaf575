"""Identifiers with OpenAI's prefixes and 128 random bits (contract 1.6)."""

import hashlib
import secrets


def new_id(prefix: str) -> str:
    """Return `prefix` followed by 32 random hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def derived_id(prefix: str, *parts: object) -> str:
    """Return an id that is always the same for the same parts.

    A record that is written a second time after a crash keeps its id.
    """
    text = "\0".join(str(part) for part in parts)
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:32]
