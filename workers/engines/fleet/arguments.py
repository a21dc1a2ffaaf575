"""What `source` and `engine_args` say of a fleet, read once."""

import math
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from workers.engines.base import EngineStartFailed

# How Thanos and Prometheus' other users mark a name that stands for many servers.
DNS, SRV = "dns+", "dnssrv+"


@dataclass(frozen=True, slots=True)
class Source:
    """One word of `source`: a server, or a name under which there are some."""

    base_url: str
    # "", DNS or SRV: where the addresses come from.
    kind: str = ""
    # The whole header, or empty; in no repr, so in no log and no traceback.
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The engine's arguments; counts are requests or bytes, times are seconds."""

    concurrency: int = 64
    tries: int = 5
    timeout: float = 600.0
    connect_timeout: float = 5.0
    max_response_bytes: int = 1 << 26
    stall_seconds: float = 30.0
    resolve_seconds: float = 10.0
    # Requests whose prompts share so much go to the same endpoint; 0: least busy one.
    prefix_bytes: int = 256
    # `address:port` of the name server to ask; empty: as the machine resolves names.
    nameserver: str = ""


_MAY_BE_ZERO = {"prefix_bytes"}


def read_arguments(model: str, given: Mapping[str, Any]) -> Arguments:
    """Return the arguments; raises EngineStartFailed with the one that is wrong."""
    found: dict[str, Any] = {}
    for one in fields(Arguments):
        value = given.get(one.name)
        if value is None:
            continue
        if one.type is str:
            found[one.name] = str(value)
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        least = 0 if one.name in _MAY_BE_ZERO else 1 if one.type is int else 1e-3
        if not number or not least <= value < math.inf:
            raise EngineStartFailed(
                f"{one.name} of {model} is {value!r}: write a number of at least"
                f" {least:g}.",
                is_lasting=True,
            )
        found[one.name] = one.type(value)  # type: ignore[operator]
    return Arguments(**found)


def read_sources(model: str, source: str, given: Mapping[str, Any]) -> list[Source]:
    """Return where requests may go, each with its key; raises EngineStartFailed."""
    listed = given.get("base_urls") or []
    if not isinstance(listed, list):
        raise EngineStartFailed(f"base_urls of {model} is no list.", is_lasting=True)
    words = [*source.replace(",", " ").split(), *map(str, listed)]
    if not words:
        raise EngineStartFailed(f"The source of {model} names no base URL.")
    names = given.get("api_key_env") or {}
    sources = [_source(model, word, names) for word in dict.fromkeys(words)]
    if isinstance(names, Mapping):
        known = {_marked(one) for one in sources}
        for url in names:
            if str(url).rstrip("/") not in known:
                raise EngineStartFailed(
                    f"api_key_env of {model} has a key for {_clean(str(url))}, which is"
                    " not in its source.",
                    is_lasting=True,
                )
    return sources


def _source(model: str, word: str, names: Any) -> Source:
    kind = next((kind for kind in (DNS, SRV) if word.startswith(kind)), "")
    try:
        parts = urlsplit(word.removeprefix(kind).rstrip("/"))
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_url = is_url and (parts.port is None or kind != SRV)
    except ValueError:  # brackets that do not match, a port that is no number
        is_url = False
    if not is_url:
        raise EngineStartFailed(
            f"'{_clean(word)}' is no base URL. Write the source of {model} like"
            " http://127.0.0.1:8000/v1, dns+http://name:8000/v1 or"
            " dnssrv+http://_service._tcp.name/v1."
        )
    base_url = _clean(urlunsplit(parts))
    name = names.get(kind + base_url) if isinstance(names, Mapping) else names
    if name:
        return Source(base_url, kind, f"Bearer {_key(model, str(name))}")
    if parts.username is not None:
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        basic = b64encode(words.encode()).decode()
        return Source(base_url, kind, f"Basic {basic}")
    return Source(base_url, kind)


def _key(model: str, name: str) -> str:
    key = os.environ.get(name, "").strip()
    if not key:
        raise EngineStartFailed(
            f"The environment variable {name} is empty; it should hold the key for the"
            f" endpoints of {model}."
        )
    if not (key.isascii() and key.isprintable()):
        raise EngineStartFailed(
            f"The environment variable {name} holds no key for the endpoints of"
            f" {model}: a key is one line of ASCII."
        )
    return key


def _marked(source: Source) -> str:
    return source.kind + source.base_url


def _clean(url: str) -> str:
    """Take a user name and a password out of a URL."""
    return re.sub(r"//[^/]*@", "//", url)
