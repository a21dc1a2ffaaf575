"""A rate over time as coordinates; the template draws them as SVG. No script."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 720, 150
LEFT, RIGHT, TOP, FOOT = 74, 12, 12, 26
# Half a label, written large as on a phone: it must not reach over the edge.
LABEL = 34


@dataclass(frozen=True)
class Plot:
    """A filled curve with its axes; `line` and `area` are SVG paths."""

    key: str
    title: str
    unit: str
    line: str
    area: str
    most: float
    last: float
    rows: list[tuple[float, str]]
    columns: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - FOOT


def plot(
    key: str,
    title: str,
    unit: str,
    values: Sequence[float],
    span: tuple[datetime, datetime],
) -> Plot:
    """Return where the values are drawn, evenly between the two moments."""
    most = max(values, default=0.0)
    top = _round_up(most)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(values))
    points = [
        (round(LEFT + step * (number + 0.5), 1), _y(value, top))
        for number, value in enumerate(values)
    ]
    line = "M" + " L".join(f"{x} {y}" for x, y in points)
    floor = HEIGHT - FOOT
    area = f"{line} L{points[-1][0]} {floor} L{points[0][0]} {floor} Z"
    return Plot(
        key=key,
        title=title,
        unit=unit,
        line=line,
        area=area,
        most=most,
        last=values[-1],
        rows=[(_y(value, top), _write(value)) for value in (0, top / 2, top)],
        columns=_hours(*span),
    )


def _y(value: float, top: float) -> float:
    return round(TOP + (HEIGHT - TOP - FOOT) * (1 - value / top), 1)


def _round_up(value: float) -> float:
    """Return the next round number: a top whose half reads well too."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(
        unit * step for step in (1, 1.5, 2, 3, 4, 6, 8, 10) if unit * step >= value
    )


def _write(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2g}"


def _hours(since: datetime, now: datetime) -> list[tuple[float, str]]:
    """Return each full hour with its place, but for one whose label has no room."""
    hour = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    found, whole = [], (now - since).total_seconds()
    while hour < now:
        share = (hour - since).total_seconds() / whole
        x = round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)
        if x + LABEL <= WIDTH:
            found.append((x, f"{hour:%H:%M}"))
        hour += timedelta(hours=1)
    return found
