"""vLLM's endpoint functions, called without the web framework around them.

Middleware, routing and the watch for a lost client cost a fifth of the front end's CPU
and do nothing for a caller in the same process. The function behind the route, its
request model and its answer stay vLLM's own. What does not go through here plainly goes
through the whole app: it words the errors.
"""

import inspect
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from workers.engines.base import Answer

logger = logging.getLogger(__name__)

Endpoint = tuple[Callable[..., Awaitable[Any]], Any, str]


class Endpoints:
    """The POST endpoints of a FastAPI app that take one JSON body and the request."""

    def __init__(self, app: Any, scope_of: Callable[[str, bytes], Any]) -> None:
        self._app = app
        self._scope_of = scope_of
        self._endpoints = dict(
            _plain(route) for route in app.routes if _is_plain(route)
        )

    async def call(self, url: str, body: bytes) -> Answer | None:
        """Answer, or return None where only the whole app knows how."""
        from starlette.requests import Request
        from starlette.responses import JSONResponse

        if (endpoint := self._endpoints.get(url)) is None:
            return None
        function, adapter, name = endpoint
        scope = {**self._scope_of(url, body), "app": self._app, "state": {}}
        try:
            request = adapter.validate_python(json.loads(body))
            if getattr(request, "stream", False):
                return None
            answer = await function(**{name: request, "raw_request": Request(scope)})
        except Exception as error:  # noqa: BLE001 - the app has a handler for each
            logger.debug("vLLM's app is asked again: %r", error)
            return None
        if not isinstance(answer, JSONResponse):
            return None
        return Answer(answer.status_code, bytes(answer.body))


def _is_plain(route: Any) -> bool:
    if "POST" not in (getattr(route, "methods", None) or ()):
        return False
    dependant: Any = getattr(route, "dependant", None)
    fields: list[Any] = dependant.body_params if dependant else []
    names = set(inspect.signature(route.endpoint).parameters)
    return (
        len(fields) == 1
        and names == {fields[0].name, "raw_request"}
        and route.body_field.field_info.__class__.__name__ == "Body"
    )


def _plain(route: Any) -> tuple[str, Endpoint]:
    from pydantic import TypeAdapter

    field = route.dependant.body_params[0]
    # Under vLLM's decorators: one counts load, one watches for a client that hung up.
    function = inspect.unwrap(route.endpoint)
    return route.path, (function, TypeAdapter(field.field_info.annotation), field.name)
