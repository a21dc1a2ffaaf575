"""Load the whole topology through nginx and judge it by pass figures: `make load`.

Three stages: many clients mixed, slow clients beside healthy ones, large uploads at
once. Everything lies in temporary folders and on free ports, and is gone at the end.
Ends with status 1 if a figure is beyond its limit, 2 if nginx or room is missing.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from typing import Any

from tests.load.figures import table
from tests.load.mixed import Mixed
from tests.load.slow import Slow
from tests.load.topology import Topology
from tests.load.uploads import Uploads
from tests.topology.nginx import find_nginx

STAGES = ("mixed", "slow", "uploads")
# The largest batch file there may be: BATCH_MAX_BYTES.
LARGEST = 209_715_200
FULL = {
    "clients": 2000, "seconds": 300, "slow": 1200, "slow_seconds": 60,
    "uploads": 20, "upload_bytes": LARGEST,
}  # fmt: skip
QUICK = {
    "clients": 200, "seconds": 30, "slow": 120, "slow_seconds": 20,
    "uploads": 20, "upload_bytes": 20_000_000,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run the stages and return the exit status."""
    options = read_options(arguments)
    if not find_nginx():
        print("nginx is needed: apt-get install nginx-light")
        return 2
    needed = 2 * options.uploads * options.upload_bytes + (2 << 30)
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        print(f"{needed:,} bytes of room are needed in {tempfile.gettempdir()}")
        return 2
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    print(f"{os.cpu_count()} processors; load before the start: {load}")
    is_well = True
    wanted = stages(options)
    for group in [wanted] if options.together else [[stage] for stage in wanted]:
        with Topology() as topology:
            for stage in group:
                is_well &= drive(stage, topology)
    print("all is well" if is_well else "a figure is beyond its limit")
    return 0 if is_well else 1


def drive(stage: Any, topology: Topology) -> bool:
    """Run a stage, print its figures, and tell whether all are within their limits."""
    print(f"== {stage}", flush=True)
    figures = asyncio.run(stage.run(topology))
    print(table(figures), flush=True)
    return all(figure.is_good for figure in figures)


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Return the options: as in a full run, or a quick one, where not given."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("stages", nargs="*", help="mixed, slow, uploads: all of them")
    parser.add_argument("--quick", action="store_true", help="a minute and a half")
    parser.add_argument("--together", action="store_true", help="on one topology")
    parser.add_argument("--clients", type=int, help="mixed clients")
    parser.add_argument("--seconds", type=int, help="how long they work")
    parser.add_argument("--pause", type=float, default=20, help="theirs, on average")
    parser.add_argument("--slow", type=int, help="slow clients, of three kinds")
    parser.add_argument("--slow-seconds", type=int, help="how long they last")
    parser.add_argument("--uploads", type=int, help="large uploads at once")
    parser.add_argument("--upload-bytes", type=int, help="bytes of each")
    options = parser.parse_args(arguments)
    if unknown := set(options.stages) - set(STAGES):
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def stages(options: argparse.Namespace) -> list[Any]:
    """Return the wanted stages. Each has a topology of its own, unless `--together`.

    So none ages another.
    """
    # As T30 has them: 500, 500 and 200.
    drips = options.slow * 5 // 12
    found = {
        "mixed": Mixed(options.clients, options.seconds, options.pause),
        "slow": Slow(drips, drips, options.slow - 2 * drips, options.slow_seconds),
        "uploads": Uploads(options.uploads, options.upload_bytes),
    }
    return [found[name] for name in options.stages or STAGES]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
