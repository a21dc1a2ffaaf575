"""System checks of result handlers."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from batches.handlers.base import ResultHandler
from batches.handlers.registry import registered
from batches.models import HandlerRun

_HINT = (
    "RESULT_HANDLERS is a list of dotted paths to subclasses of"
    " batches.handlers.ResultHandler, such as"
    ' ["batches.handlers.webhook.handler.WebhookHandler"].'
)
LONGEST_NAME = HandlerRun._meta.get_field("handler").max_length or 0


@register()
def check_result_handlers(
    app_configs: Sequence[Any] | None = None, **options: Any
) -> list[CheckMessage]:
    """Report whatever would stop a handler from running."""
    paths: object = getattr(settings, "RESULT_HANDLERS", [])
    if not isinstance(paths, (list, tuple)):
        return [Error("RESULT_HANDLERS is not a list.", hint=_HINT, id="batches.E001")]
    found: list[CheckMessage] = []
    known: dict[str, object] = {**registered()}
    for handler in registered().values():
        found += _check(f"{handler.__module__}.{handler.__qualname__}", handler, known)
    for path in paths:
        try:
            named: object = import_string(path)
        except (ImportError, AttributeError) as error:
            text = f"RESULT_HANDLERS names {path!r}, which cannot be imported: {error}"
            found.append(Error(text, hint=_HINT, id="batches.E002"))
        else:
            found += _check(path, named, known)
    return found


def _check(path: str, handler: object, known: dict[str, object]) -> list[CheckMessage]:
    if not (isinstance(handler, type) and issubclass(handler, ResultHandler)):
        text = f"{path!r} is used as a result handler, but is no ResultHandler."
        return [Error(text, hint=_HINT, id="batches.E003")]
    key = handler.key()
    if known.setdefault(key, handler) is not handler:
        hint = "Give one of them another `name`."
        text = f"Two result handlers are called {key!r}; one of them is {path!r}."
        return [Error(text, hint=hint, id="batches.E004")]
    if len(key) > LONGEST_NAME:
        hint = f"Give it a `name` of at most {LONGEST_NAME} characters."
        text = f"The name of the handler {path!r} is too long."
        return [Error(text, hint=hint, id="batches.E005")]
    return []
