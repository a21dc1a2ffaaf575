"""How the console writes numbers, times and states."""

from datetime import datetime

from django import template
from django.utils import timezone

register = template.Library()
_WORDS = {
    "in_progress": "in progress",
    "running": "running",
    "open": "no result",
}
_TONES = {
    "running": "good",
    "completed": "good",
    "failed": "bad",
    "expired": "bad",
    "gone": "bad",
    "paused": "warn",
    "cancelling": "warn",
    "draining": "warn",
}


@register.filter
def thousands(value: float | None) -> str:
    """Write a number with separators; small ones with a digit after the point."""
    if value is None:
        return "–"
    if isinstance(value, int) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}"


@register.filter
def duration(seconds: float | None) -> str:
    """Write seconds as people say them: two units at most."""
    if seconds is None:
        return "–"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


@register.filter
def ago(moment: datetime | None) -> str:
    """Write how long ago a moment was."""
    if moment is None:
        return "–"
    seconds = max(0.0, (timezone.now() - moment).total_seconds())
    return f"{duration(seconds)} ago"


@register.filter
def until(moment: datetime | None) -> str:
    """Write how long it is until a moment; `over` if it has passed."""
    if moment is None:
        return "–"
    seconds = (moment - timezone.now()).total_seconds()
    return f"in {duration(seconds)}" if seconds > 0 else "over"


@register.filter
def words(name: str) -> str:
    """Write a status or cause as words."""
    return _WORDS.get(name, name.replace("_", " "))


@register.filter
def tone(state: str) -> str:
    """Return the class of a state's mark: good, bad, warn or calm."""
    return _TONES.get(state, "calm")
