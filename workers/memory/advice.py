"""What to change so that a model fits, or fits better. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from workers.memory.plan import Plan, make_plan
from workers.memory.quantization import AWQ, ONLINE
from workers.memory.wishes import Wish

# Fewer requests in flight than that leave most of a GPU idle.
FEW_REQUESTS = 16


@dataclass(frozen=True)
class Alternative:
    """A change of the engine arguments or the checkpoint, and its plan."""

    change: str
    plan: Plan


def alternatives(plan: Plan) -> list[Alternative]:
    """Return what else would fit, or hold more requests; nothing if all is well.

    FP8 for keys and values may cost quality: it is offered, never chosen.
    """
    if plan.fits and plan.requests >= FEW_REQUESTS:
        return []
    found = (
        Alternative(change, make_plan(plan.model, wish))
        for change, wish in _changes(plan)
    )
    return [other for other in found if _is_better(other.plan, plan)]


def _is_better(other: Plan, plan: Plan) -> bool:
    return other.fits and (not plan.fits or other.requests > plan.requests)


def _changes(plan: Plan) -> Iterator[tuple[str, Wish]]:
    wish = plan.wish
    if not plan.fits and wish.max_model_len:
        yield "a shorter max_model_len", replace(wish, max_model_len=None)
    if plan.model.config.tower and wish.has_tower:
        yield "language_model_only = true", replace(wish, has_tower=False)
    yield 'kv_cache_dtype = "fp8"', replace(wish, kv_cache_dtype="fp8")
    if plan.model.config.quantization.method or wish.quantization:
        return
    for change, form in (
        ('quantization = "fp8_per_tensor"', ONLINE["fp8_per_tensor"]),
        ("a 4-bit checkpoint (AWQ or GPTQ)", AWQ),
    ):
        smaller = replace(wish, quantization=form)
        yield change, smaller
        both = replace(smaller, kv_cache_dtype="fp8")
        yield f'{change} and kv_cache_dtype = "fp8"', both
