"""JSON in one spelling to be hashed, and cleaned of what no database stores."""

import hashlib
import json
import math
import re
from typing import Any

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
DEEPEST = 100
TOO_DEEP = "…"


def canonical(value: object) -> str:
    """Return JSON with sorted keys, without spaces, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_text(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def clean_text(text: str) -> str:
    """Put U+FFFD for U+0000 and lone surrogates, which PostgreSQL refuses."""
    return _UNSTORABLE.sub("\ufffd", text)


def clean(value: Any, depth: int = 0) -> Any:
    """Return parsed JSON as any database stores it; cut off where it is too deep.

    NaN and the infinities, which are no JSON, become null.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict | list):
        return value
    if depth >= DEEPEST:
        return TOO_DEEP
    if isinstance(value, dict):
        return {clean_text(key): clean(item, depth + 1) for key, item in value.items()}
    return [clean(item, depth + 1) for item in value]
