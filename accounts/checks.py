"""System checks of where rate limits are counted."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

_HINT = 'Set RATELIMIT_USE_CACHE = "counters" and CACHES["counters"] = COUNTERS.'
# Each process would count for itself, or lose counts to others.
_UNFIT = ("locmem", "dummy", "filebased", "db")


@register()
def check_counters(
    app_configs: Sequence[Any] | None = None, **options: Any
) -> list[CheckMessage]:
    """Report counters that processes do not share, or that cannot be reached."""
    name = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    backend = str(settings.CACHES.get(name, {}).get("BACKEND", ""))
    if not backend:
        text = f"CACHES has no {name!r}, where rate limits are to be counted."
        return [Error(text, hint=_HINT, id="accounts.E001")]
    kind = backend.removeprefix("django.core.cache.backends.").split(".")[0]
    if kind in _UNFIT:
        text = f"Rate limits cannot be counted in {backend}: processes do not share it."
        return [Error(text, hint=_HINT, id="accounts.E002")]
    if backend.endswith("ValkeyCounters") and find_spec("redis") is None:
        text = "CACHE_URL is set, but Valkey's client is not installed."
        hint = "Install requirements-valkey.txt, or unset CACHE_URL."
        return [Error(text, hint=hint, id="accounts.E003")]
    return []
