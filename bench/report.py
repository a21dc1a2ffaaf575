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
    seconds: float = 0.0
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(
        self,
        goal: str,
        what: str,
        value: float | Ratio,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        detail: str = "",
    ) -> None:
        """Note one figure and its target; without one it is for information."""
        number = value.median if isinstance(value, Ratio) else float(value)
        is_met = (at_most is None or number <= at_most) and (
            at_least is None or number >= at_least
        )
        bounds = [(at_least, "≥"), (at_most, "≤")]
        target = " ".join(f"{sign} {b:g}" for b, sign in bounds if b is not None)
        found = value if isinstance(value, Ratio) else None
        self.rows.append(Row(goal, what, number, target, is_met, detail, found))

    def print(self) -> None:
        """Print the rows as a table."""
        print(f"\n{self.name} ({self.seconds:.0f} s, load {self.load:.1f} before)")
        for row in self.rows:
            mark = ("met" if row.is_met else "MISSED") if row.target else "-"
            print(
                f"  {row.goal:<4} {row.shown:<26} {row.target:<14} {mark:<7}{row.what}"
            )
            if row.detail:
                print(f"       {row.detail}")
        print(end="", flush=True)


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


def new_path() -> Path:
    """Return where this run's results are kept."""
    RESULTS.mkdir(exist_ok=True)
    return RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.json"


def save(reports: list[Report], path: Path) -> None:
    """Write all reports as JSON."""
    content = {"machine": machine(), "reports": [asdict(r) for r in reports]}
    path.write_text(json.dumps(content, indent=2))
