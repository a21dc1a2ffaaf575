"""How strong each model is, from pairs of which one was voted better.

Bradley and Terry's model with ties as Davidson (1970) has them: of two models with the
strengths a and b, the first wins with a / (a + b + v·√(ab)), and v·√(ab) over the same
is a tie. Strengths are logarithms here and their mean is 0. Intervals come from
Fisher's information, so no randomness is in them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from curation.statistics.intervals import Estimate, around
from curation.statistics.matrices import Matrix, inverse, product

# A weak prior, so that a model that never lost has a strength at all.
PRIOR_DEVIATION = 5.0
# Elo's scale: 400 points are odds of ten to one; 1000 is the mean.
POINTS, MEAN_POINTS = 400 / math.log(10), 1000.0
MOST_STEPS, LONGEST_STEP, CLOSE = 100, 2.0, 1e-10


class Meeting(NamedTuple):
    """How often two models met, by their numbers, and how it ended."""

    first: int
    second: int
    wins: float
    losses: float
    ties: float


@dataclass(frozen=True)
class Strengths:
    """Logarithms of strengths, their covariance, and that of `v` (None: no ties)."""

    values: list[float]
    covariance: Matrix
    log_ties: float | None

    def rating(self, number: int) -> Estimate:
        """Return a model's strength in Elo's points, with its interval."""
        variance = self.covariance[number][number]
        log = around(self.values[number], math.sqrt(max(0.0, variance)))
        return Estimate(*(MEAN_POINTS + POINTS * value for value in log))

    def lead(self, first: int, second: int) -> Estimate:
        """Return how many points one is ahead of another; both vary together."""
        own = self.covariance
        variance = own[first][first] + own[second][second] - 2 * own[first][second]
        difference = self.values[first] - self.values[second]
        log = around(difference, math.sqrt(max(0.0, variance)))
        return Estimate(*(POINTS * value for value in log))


def fit(
    count: int, meetings: Iterable[Meeting], prior: float | None = PRIOR_DEVIATION
) -> Strengths:
    """Find the strengths of `count` models under which the meetings are likeliest.

    Without a prior (None) each model must have won and lost against some other, all
    connected; else raises Singular.
    """
    met = list(meetings)
    has_ties = any(meeting.ties for meeting in met)
    size = count + has_ties
    values = [0.0] * size
    precision = 0.0 if prior is None else 1 / prior**2
    for _ in range(MOST_STEPS):
        slope, information = _derivatives(values, met, count, precision)
        step = product(inverse(information), slope)
        longest = max(map(abs, step), default=0.0)
        shrink = min(1.0, LONGEST_STEP / longest) if longest else 1.0
        values = [
            value + shrink * move for value, move in zip(values, step, strict=True)
        ]
        if longest < CLOSE:
            break
    _, information = _derivatives(values, met, count, precision)
    covariance = _centred(inverse(information), count)
    mean = sum(values[:count]) / count if count else 0.0
    strengths = [value - mean for value in values[:count]]
    return Strengths(strengths, covariance, values[count] if has_ties else None)


def _derivatives(
    values: Sequence[float], met: Sequence[Meeting], count: int, precision: float
) -> tuple[list[float], Matrix]:
    """Return the slope of the logarithm of the likelihood, and the information."""
    size = len(values)
    slope = [-precision * value for value in values]
    information = [[precision * (i == j) for j in range(size)] for i in range(size)]
    for i in range(count):
        for j in range(count):
            # Strengths are known up to a constant only: this holds their sum at 0.
            information[i][j] += 1.0
    for meeting in met:
        _add(meeting, _chances(values, meeting, count), slope, information)
    return slope, information


def _chances(
    values: Sequence[float], meeting: Meeting, count: int
) -> tuple[float, float, float]:
    """Return how likely the first wins, loses and ties."""
    half = (values[meeting.first] - values[meeting.second]) / 2
    parts = (
        math.exp(half),
        math.exp(-half),
        math.exp(values[count]) if len(values) > count else 0.0,
    )
    whole = sum(parts)
    return parts[0] / whole, parts[1] / whole, parts[2] / whole


def _add(
    meeting: Meeting,
    chances: tuple[float, float, float],
    slope: list[float],
    information: Matrix,
) -> None:
    i, j, wins, losses, ties = meeting
    win, loss, draw = chances
    total, edge = wins + losses + ties, (win - loss) / 2
    pull = (wins - losses) / 2 - total * edge
    slope[i] += pull
    slope[j] -= pull
    weight = total * ((win + loss) / 4 - edge * edge)
    for row, column, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
        information[row][column] += sign * weight
    if not draw:
        return
    # The last parameter is the logarithm of `v`.
    slope[-1] += ties - total * draw
    information[-1][-1] += total * draw * (1 - draw)
    shared = total * edge * draw
    for model, sign in ((i, -1), (j, 1)):
        information[model][-1] += sign * shared
        information[-1][model] += sign * shared


def _centred(covariance: Matrix, count: int) -> Matrix:
    """Return the models' part, for strengths whose sum is held at 0."""
    block = [row[:count] for row in covariance[:count]]
    means = [sum(row) / count for row in block]
    whole = sum(means) / count if count else 0.0
    return [
        [block[i][j] - means[i] - means[j] + whole for j in range(count)]
        for i in range(count)
    ]
