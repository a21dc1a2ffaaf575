"""What workers write into a served model: what it costs, and why it is switched off."""

import logging
from typing import Literal

from django.db.models import F, Value
from django.db.models.functions import Coalesce

from workers.models import ServedModel

logger = logging.getLogger(__name__)

# How much the newest measurement counts.
WEIGHT = 0.3
LONGEST_REASON = 500


def disable(model: ServedModel, reason: str) -> bool:
    """Switch a model off that cannot be loaded; False if somebody was first.

    One whose source or arguments were changed in the meantime is left to be tried.
    """
    changed = ServedModel.objects.filter(
        pk=model.pk,
        is_enabled=True,
        engine=model.engine,
        source=model.source,
        engine_args=model.engine_args,
    ).update(is_enabled=False, disabled_reason=reason[:LONGEST_REASON])
    if changed:
        logger.error("model %s is switched off: %s", model.name, reason)
    return changed == 1


def learn(
    model: ServedModel, field: Literal["load_seconds", "wake_seconds"], seconds: float
) -> None:
    """Let a measurement weigh in with those before it."""
    average = F(field) * (1 - WEIGHT) + WEIGHT * seconds
    ServedModel.objects.filter(pk=model.pk).update(
        **{field: Coalesce(average, Value(seconds))}
    )
