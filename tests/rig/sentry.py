"""What Sentry's SDK sends to a receiver on loopback, taken apart."""

import gzip
import json
import time
from typing import Any
from urllib.parse import urlsplit

from tests.rig.receiver import Receiver


def dsn(receiver: Receiver) -> str:
    """Return the address for SENTRY_DSN."""
    return f"http://public@{urlsplit(receiver.url).netloc}/1"


def bodies(receiver: Receiver) -> list[bytes]:
    """Return every envelope as it was before it was compressed."""
    return [
        gzip.decompress(post.body)
        if post.headers.get("content-encoding") == "gzip"
        else post.body
        for post in list(receiver.posts)
    ]


def items(receiver: Receiver, kind: str) -> list[Any]:
    """Return the items of a kind: `event`, `transaction`."""
    found = []
    for body in bodies(receiver):
        _, *rest = body.split(b"\n")
        for head, payload in zip(rest[::2], rest[1::2], strict=False):
            if head and json.loads(head).get("type") == kind:
                found.append(json.loads(payload))
    return found


def wait_for(receiver: Receiver, kind: str, count: int = 1) -> list[Any]:
    """Return the items of a kind once there are so many."""
    ends_at = time.monotonic() + 30
    while len(found := items(receiver, kind)) < count:
        assert time.monotonic() < ends_at, f"{len(found)} of kind {kind}"
        time.sleep(0.1)
    return found
