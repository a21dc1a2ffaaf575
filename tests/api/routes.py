"""The API's routes as the URL conf has them, so that no test forgets a new one."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.test import Client
from django.urls import URLPattern

from accounts.models import Project
from tests.batches.handlers.cast import make_endpoint
from tests.factories import make_batch, make_file
from vllm_batch import api_urls

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


@dataclass(frozen=True)
class Kind:
    """A kind of object that belongs to a project."""

    prefix: str
    make: Callable[[Project], Any]

    @property
    def random_id(self) -> str:
        """An id nobody has."""
        return self.prefix + "0" * 32


# What each part of a path names. A route with another part fails the tests until it
# is said here whose objects it names; None: everybody's.
KINDS: dict[str, Kind | None] = {
    "file_id": Kind("file-", lambda project: make_file(b"secret\n", project)),
    "batch_id": Kind("batch_", lambda project: make_batch(project=project)),
    "webhook_endpoint_id": Kind("whe_", make_endpoint),
    "model": None,
}
# Routes that a key does not open; Label Studio's hook has a secret of its own.
WITHOUT_KEY = {"/v1/label_studio/hook"}


@dataclass(frozen=True)
class Route:
    """A path with `{id}` where an object's id goes."""

    path: str
    part: str | None
    actions: dict[str, str]
    view: Any

    @property
    def kind(self) -> Kind | None:
        """What the id names, None if nothing of a project's."""
        return KINDS[self.part] if self.part else None


def routes() -> Iterator[Route]:
    """Return every route a key opens."""
    for pattern in api_urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        if pattern.name == "unknown_route":
            continue
        text = str(pattern.pattern)
        parts = re.findall(r"<\w+:(\w+)>", text)
        assert len(parts) <= 1, f"{text}: say here how two ids are crossed"
        path = "/v1/" + re.sub(r"<\w+:\w+>", "{id}", text)
        actions = {
            method: action
            for method, action in pattern.callback.actions.items()  # type: ignore[attr-defined]
            if method != "head"
        }
        if path not in WITHOUT_KEY:
            part = parts[0] if parts else None
            yield Route(path, part, actions, pattern.callback.cls)  # type: ignore[attr-defined]


def ask(client: Client, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """Return status and text of an answer; a body is sent as JSON."""
    more = () if body is None else (body, "application/json")
    response: Any = getattr(client, method)(path, *more)
    text = b"".join(response) if response.streaming else response.content
    return response.status_code, text.decode()
