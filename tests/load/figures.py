"""Pass figures: what was measured against what is allowed, as a table."""

from dataclasses import dataclass

from tests.load.calls import Calls


@dataclass(frozen=True)
class Figure:
    """One figure. `most` is the limit, None if the figure is only shown."""

    name: str
    value: float
    most: float | None
    unit: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether it is within its limit."""
        return self.most is None or self.value <= self.most

    def row(self) -> tuple[str, str, str, str]:
        """Return name, value, limit and verdict as texts."""
        limit = "" if self.most is None else _shown(self.most, self.unit)
        verdict = "" if self.most is None else "ok" if self.is_good else "FAILED"
        return self.name, _shown(self.value, self.unit), limit, verdict


def _shown(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    return f"{text} {unit}".strip()


def table(figures: list[Figure]) -> str:
    """Return the figures as a table."""
    rows: list[tuple[str, ...]] = [
        ("figure", "measured", "at most", ""),
        *(f.row() for f in figures),
    ]
    return aligned(rows)


def aligned(rows: list[tuple[str, ...]]) -> str:
    """Return rows of texts as columns: the first to the left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def latencies(calls: Calls) -> str:
    """Return the seconds of each route, as a table."""
    rows: list[tuple[str, ...]] = [("route", "requests", "p50 s", "p95 s", "p99 s")]
    for route in [*calls.routes(), ""]:
        count = sum(route in ("", call.route) for call in calls.all)
        seconds = [f"{calls.percentile(p, route):.3f}" for p in (50, 95, 99)]
        rows.append((route or "all", f"{count:,}", *seconds))
    return aligned(rows)


def faults(calls: Calls) -> str:
    """Return the unwanted outcomes by kind, in one line each; "none" without any."""
    found = [f"{kind}: {count:,}" for kind, count in calls.faults().most_common()]
    return "\n".join(found + calls.wrong[:10]) or "none"
