"""Decide which model the GPU serves next. Pure: no clock, no database."""

from collections.abc import Collection, Sequence


def next_model(
    loaded: str | None,
    waiting: Sequence[str],
    *,
    cooling: Collection[str] = (),
    turn_is_over: bool = False,
) -> str | None:
    """Return the model to serve, or None if none can be.

    `waiting` has the most urgent model first. A loaded model stays as long as it has
    work, until its turn is over and another one waits. Models in `cooling` failed to
    load a moment ago.
    """
    ready = [model for model in waiting if model not in cooling]
    if loaded in ready and not turn_is_over:
        return loaded
    others = [model for model in ready if model != loaded]
    return others[0] if others else (loaded if loaded in ready else None)
