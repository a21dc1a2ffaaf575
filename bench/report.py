"""What a benchmark found: rows for people, JSON for machines."""

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.measure import Ratio

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass
class Row:
    """One figure: its goal, what it is held against, and how it fared."""

    goal: str
    what: str
    value: float
    target: str
    is_met: bool
    detail: str = ""
    ratio: Ratio | None = None

    @property
    def shown(self) -> str:
        """The figure as people read it."""
        return str(self.ratio) if self.ratio else f"{self.value:.3g}"


@dataclass
class Report:
    """Everything one benchmark found."""

    name: str
    rows: list[Row] = field(default_factory=list)

    def add(self, goal: str, what: str, value: float | Ratio, **details: Any) -> None:
        """Note one figure; `at_most` or `at_least` is its target."""
        found = value if isinstance(value, Ratio) else None
        number = found.median if found else float(value)  # type: ignore[arg-type]
        at_most, at_least = details.pop("at_most", None), details.pop("at_least", None)
        is_met = (at_most is None or number <= at_most) and (
            at_least is None or number >= at_least
        )
        target = f"≤ {at_most}" if at_most is not None else f"≥ {at_least}"
        self.rows.append(
            Row(goal, what, number, target, is_met, ratio=found, **details)
        )

    def print(self) -> None:
        """Print the rows as a table."""
        print(f"\n{self.name}")
        for row in self.rows:
            mark = "met   " if row.is_met else "MISSED"
            print(f"  {row.goal:<4} {row.shown:<26} {row.target:<8} {mark}  {row.what}")
            if row.detail:
                print(f"       {row.detail}")


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def save(reports: list[Report]) -> Path:
    """Write all reports as JSON and return where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    content = {"machine": machine(), "reports": [asdict(r) for r in reports]}
    path.write_text(json.dumps(content, indent=2))
    return path
