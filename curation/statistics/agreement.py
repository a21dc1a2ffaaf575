"""How far people, or a judge and people, agree beyond chance. Categories have no order.

A unit is what several judged; its ratings are counts by category. Equal units are
passed once with how many there are, so a hundred thousand cost no more than a few.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from curation.statistics.intervals import Estimate, around

Table = Sequence[Sequence[float]]


class Units(NamedTuple):
    """So many units whose ratings fell into the categories so often."""

    ratings: tuple[int, ...]
    times: int = 1


@dataclass(frozen=True)
class Agreement:
    """Agreement of any number of raters; None where it is not defined."""

    units: int
    pairs: int
    percent: float | None
    alpha: Estimate | None


def agreement(units: Iterable[Units]) -> Agreement:
    """Return the share of agreeing pairs of ratings, and Krippendorff's alpha.

    Units with less than two ratings tell nothing and are left out.
    """
    told = [unit for unit in units if sum(unit.ratings) > 1 and unit.times > 0]
    pairs = sum(unit.times * math.comb(sum(unit.ratings), 2) for unit in told)
    same = sum(
        unit.times * sum(math.comb(number, 2) for number in unit.ratings)
        for unit in told
    )
    return Agreement(
        units=sum(unit.times for unit in told),
        pairs=pairs,
        percent=same / pairs if pairs else None,
        alpha=_alpha_estimate(told),
    )


def krippendorff_alpha(units: Iterable[Units]) -> float | None:
    """Return alpha for nominal data, with missing ratings; 1 is perfect, 0 is chance.

    None if there is no variation: then nobody knows what chance would do.
    """
    told = [unit for unit in units if sum(unit.ratings) > 1]
    return _alpha(*_coincidences(told))


def _coincidences(units: Iterable[Units]) -> tuple[list[float], float]:
    """Return how often each category was paired, and the disagreeing pairs."""
    totals: list[float] = []
    differing = 0.0
    for ratings, count in units:
        raters = sum(ratings)
        totals += [0.0] * (len(ratings) - len(totals))
        for category, number in enumerate(ratings):
            totals[category] += count * number
            differing += count * number * (raters - number) / (raters - 1)
    return totals, differing


def _alpha(totals: Sequence[float], differing: float) -> float | None:
    whole = sum(totals)
    expected = whole * whole - sum(total * total for total in totals)
    if whole < 2 or expected <= 0:
        return None
    return 1 - (whole - 1) * differing / expected


def _alpha_estimate(units: Sequence[Units]) -> Estimate | None:
    """Return alpha with the jackknife's interval: each unit is left out in turn.

    Equal units lead to equal results, so there is one for each kind of unit.
    """
    totals, differing = _coincidences(units)
    alpha, number = _alpha(totals, differing), sum(unit.times for unit in units)
    if alpha is None or number < 2:
        return None if alpha is None else Estimate(alpha, -1.0, 1.0)
    left_out: list[tuple[float, int]] = []
    for unit in units:
        one, its = _coincidences([Units(unit.ratings)])
        one += [0.0] * (len(totals) - len(one))
        rest = [total - own for total, own in zip(totals, one, strict=True)]
        without = _alpha(rest, differing - its)
        left_out.append((alpha if without is None else without, unit.times))
    mean = sum(value * count for value, count in left_out) / number
    spread = sum(count * (value - mean) ** 2 for value, count in left_out)
    found = around(alpha, math.sqrt(spread * (number - 1) / number))
    return Estimate(alpha, max(-1.0, found.low), min(1.0, found.high))


def cohen_kappa(table: Table) -> Estimate | None:
    """Return kappa of two raters; rows of the table are one's, columns the other's.

    None of nothing, or if chance alone would make them agree always.
    """
    total = sum(map(sum, table))
    if total <= 0:
        return None
    observed = sum(row[i] for i, row in enumerate(table)) / total
    columns = [sum(column) for column in zip(*table, strict=True)]
    by_chance = [sum(row) * column for row, column in zip(table, columns, strict=True)]
    expected = sum(by_chance) / total**2
    if math.isclose(expected, 1.0):
        return None
    kappa = (observed - expected) / (1 - expected)
    error = math.sqrt(observed * (1 - observed) / total) / (1 - expected)
    found = around(kappa, error)
    return Estimate(kappa, max(-1.0, found.low), min(1.0, found.high))


def square(
    counts: Mapping[tuple[str, str], int], names: Sequence[str]
) -> list[list[int]]:
    """Lay counts of pairs of categories out as a table in this order."""
    return [[counts.get((row, column), 0) for column in names] for row in names]
