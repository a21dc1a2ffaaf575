"""Shares with their intervals."""

import math
from typing import NamedTuple

# Of the standard normal distribution, for intervals of 95 %.
Z95 = 1.959963984540054


class Estimate(NamedTuple):
    """A number, and the interval of 95 % around it."""

    value: float
    low: float
    high: float

    def excludes(self, other: float) -> bool:
        """Tell whether the interval leaves this number out."""
        return not self.low <= other <= self.high


def wilson(successes: float, total: int) -> Estimate | None:
    """Return a share from 0 to 1 with Wilson's interval; None of nothing.

    Half successes, as ties are, make it an approximation that errs on the wide side.
    """
    if total <= 0:
        return None
    share, square = successes / total, Z95 * Z95
    scale = 1 + square / total
    centre = (share + square / (2 * total)) / scale
    spread = share * (1 - share) / total + square / (4 * total * total)
    reach = Z95 * math.sqrt(spread) / scale
    # Rounding must not push a bound beyond the share itself, at 0 and 1.
    low, high = max(0.0, centre - reach), min(1.0, centre + reach)
    return Estimate(share, min(low, share), max(high, share))


def around(value: float, deviation: float) -> Estimate:
    """Return the normal interval around a value with this standard deviation."""
    reach = Z95 * deviation
    return Estimate(value, value - reach, value + reach)
