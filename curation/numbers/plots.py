"""Plots as coordinates; the template draws them as SVG. No script, no inline style."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from curation.statistics.intervals import Estimate

WIDTH, LEFT, RIGHT = 760, 220, 130
TOP, ROW, FOOT = 10, 30, 30
LONGEST_LABEL = 30
CELL_WIDTH, CELL_HEIGHT, SHADES = 130, 44, 5


class Line(NamedTuple):
    """A name and its number; `is_marked` if it needs a look."""

    name: str
    estimate: Estimate | None
    is_marked: bool = False


class Scale(NamedTuple):
    """What the horizontal axis shows, and the value that means "no difference"."""

    low: float
    high: float
    ticks: Sequence[float]
    reference: float | None = None
    is_percent: bool = False
    places: int = 0

    def place(self, value: float) -> float:
        """Return where a value is drawn; what lies outside is drawn at the edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (
            (self.high - self.low) or 1
        )
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def write(self, value: float) -> str:
        """Return a value as people read it."""
        if self.is_percent:
            return f"{value * 100:.0f} %"
        return f"{value:.{self.places}f}"


class Drawn(NamedTuple):
    """A line's place in the plot; without a number only its name is drawn."""

    label: str
    y: float
    x: float | None
    low: float
    high: float
    text: str
    is_marked: bool


@dataclass(frozen=True)
class Plot:
    """Points with their intervals, one under the other."""

    key: str
    title: str
    lines: list[Drawn]
    ticks: list[tuple[float, str]]
    reference: float | None
    width: int
    height: int
    bottom: int


SHARES = Scale(0, 1, (0, 0.25, 0.5, 0.75, 1), reference=0.5, is_percent=True)
BARE_SHARES = SHARES._replace(reference=None)
BEYOND_CHANCE = Scale(-0.5, 1, (-0.5, 0, 0.5, 1), reference=0, places=2)


def points(lines: Sequence[Line], mean: float) -> Scale:
    """Return an axis that holds these numbers, with five round ticks at most."""
    known = [line.estimate for line in lines if line.estimate is not None]
    low = min((one.low for one in known), default=mean)
    high = max((one.high for one in known), default=mean)
    step = 10 ** math.floor(math.log10(max(high - low, 1)))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= 4:
            step *= factor
            break
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [step * number for number in range(first, last + 1)]
    return Scale(ticks[0], ticks[-1], ticks, reference=mean)


def plot(key: str, title: str, lines: Sequence[Line], scale: Scale) -> Plot:
    """Return where each line's point and interval are drawn."""
    bottom = TOP + ROW * len(lines)
    reference = None if scale.reference is None else scale.place(scale.reference)
    return Plot(
        key=key,
        title=title,
        lines=[_drawn(number, line, scale) for number, line in enumerate(lines)],
        ticks=[(scale.place(value), scale.write(value)) for value in scale.ticks],
        reference=reference,
        width=WIDTH,
        height=bottom + FOOT,
        bottom=bottom,
    )


def _drawn(number: int, line: Line, scale: Scale) -> Drawn:
    label, estimate = line.name, line.estimate
    if len(label) > LONGEST_LABEL:
        label = label[: LONGEST_LABEL - 1] + "…"
    y = TOP + ROW * (number + 0.5)
    if estimate is None:
        return Drawn(label, y, None, 0, 0, "no votes", False)
    x, low, high = map(scale.place, estimate)
    return Drawn(label, y, x, low, high, scale.write(estimate.value), line.is_marked)


class Cell(NamedTuple):
    """A count in a table of two, the darker the larger a part of its column it is."""

    x: int
    y: int
    text: str
    shade: int


@dataclass(frozen=True)
class Grid:
    """A table of counts as a picture."""

    key: str
    title: str
    cells: list[Cell]
    rows: list[tuple[int, str]]
    columns: list[tuple[int, str]]
    width: int
    height: int


def grid(
    key: str, title: str, names: Sequence[str], table: Sequence[Sequence[int]]
) -> Grid:
    """Return where each count is drawn."""
    totals = [sum(column) or 1 for column in zip(*table, strict=True)]
    cells = [
        Cell(
            LEFT + CELL_WIDTH * j,
            ROW + CELL_HEIGHT * i,
            str(count),
            round((SHADES - 1) * count / totals[j]),
        )
        for i, row in enumerate(table)
        for j, count in enumerate(row)
    ]
    size = len(names)
    return Grid(
        key=key,
        title=title,
        cells=cells,
        rows=[(ROW + CELL_HEIGHT * i, name) for i, name in enumerate(names)],
        columns=[(LEFT + CELL_WIDTH * j, name) for j, name in enumerate(names)],
        width=LEFT + CELL_WIDTH * size,
        height=ROW + CELL_HEIGHT * size,
    )
