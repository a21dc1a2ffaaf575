"""Addresses of servers that operators set."""

from urllib.parse import urlsplit


def plain_address(value: str) -> str:
    """Return an address without a slash at its end; empty stays empty.

    Raises ValueError, with what to write, if it is no http(s) URL or has more in it
    than a path.
    """
    if not value:
        return value
    parts = urlsplit(value)
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise ValueError("write it as https://host, without a user or a query")
    return value.rstrip("/")
