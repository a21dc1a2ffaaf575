"""Which handlers there are: registered by apps, or named in RESULT_HANDLERS."""

from django.conf import settings
from django.utils.module_loading import autodiscover_modules, import_string

from batches.handlers.base import ResultHandler

MODULE = "result_handlers"
_registered: dict[str, type[ResultHandler]] = {}


def register(handler: type[ResultHandler]) -> type[ResultHandler]:
    """Make a handler known; use it as a decorator in `result_handlers.py`."""
    known = _registered.setdefault(handler.key(), handler)
    if known is not handler:
        raise ValueError(
            f"Two result handlers are called '{handler.key()}': {known} and {handler}."
            " Give one of them another `name`."
        )
    return handler


def autodiscover() -> None:
    """Import every installed app's `result_handlers.py`, as the admin does."""
    autodiscover_modules(MODULE)


def registered() -> dict[str, type[ResultHandler]]:
    """Return the handlers that apps registered, by their names."""
    return dict(_registered)


def find_handlers() -> dict[str, type[ResultHandler]]:
    """Return all handlers by their names; raises ImportError for a wrong path."""
    found = registered()
    for path in getattr(settings, "RESULT_HANDLERS", []):
        handler: type[ResultHandler] = import_string(path)
        found[handler.key()] = handler
    return found
