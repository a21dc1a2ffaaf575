"""Learn how many tokens a second a model reads and writes, while batches run.

Input and output are measured over the same time, so a batch of another mixture takes
about as long as the slower of the two. The mean forgets: what ran lately tells most.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping

from django.db.models import F, FloatField, Value
from django.db.models.functions import Coalesce

from workers.database import AWAY, disconnect
from workers.models import ServedModel

logger = logging.getLogger(__name__)

# A measurement is taken so often; at the end of a run a shorter one will do.
MEASURE_SECONDS, LEAST_SECONDS = 10.0, 0.5
# After so many seconds of work, what was known before counts for 1/e of the mean.
MEMORY_SECONDS = 60.0
# Columns of ServedModel by the usage they are learnt from.
_COLUMNS = {
    "input_tokens": "input_tokens_per_second",
    "output_tokens": "output_tokens_per_second",
}


class Pace:
    """Takes the usage of one run's results as they become durable, in one thread."""

    def __init__(self, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.model = model
        self._clock = clock
        self._tokens = dict.fromkeys(_COLUMNS, 0)
        self._since = self._last = clock()

    def add(self, usage: Mapping[str, int]) -> None:
        """Take the tokens of a segment that was just committed."""
        for name in _COLUMNS:
            self._tokens[name] += usage[name]
        self._last = self._clock()
        if self._last - self._since >= MEASURE_SECONDS:
            self._measure()

    def end(self) -> None:
        """Measure what is left of a run; the time after its last result is no work."""
        if self._last - self._since >= LEAST_SECONDS:
            self._measure()

    def _measure(self) -> None:
        seconds = self._last - self._since
        rates = {_COLUMNS[name]: n / seconds for name, n in self._tokens.items() if n}
        self._tokens = dict.fromkeys(_COLUMNS, 0)
        self._since = self._last
        weight = 1 - math.exp(-seconds / MEMORY_SECONDS)
        try:
            _blend(self.model, rates, weight)
        except AWAY:
            logger.warning("the pace of %s was not noted", self.model, exc_info=True)
            disconnect()


def _blend(model: str, rates: Mapping[str, float], weight: float) -> None:
    """Put rates into the means in one statement: several workers may do so at once."""
    changes = {
        column: Coalesce(
            F(column) * (1 - weight) + rate * weight,
            Value(rate),
            output_field=FloatField(),
        )
        for column, rate in rates.items()
    }
    if changes:
        ServedModel.objects.filter(name=model).update(**changes)
