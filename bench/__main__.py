"""`python -m bench [NAME …]`: run benchmarks, print their table, keep it as JSON."""

import argparse
import importlib
import os
import sys
import tempfile

NAMES = ("validation",)


def main() -> int:
    """Run the named benchmarks, or all; 1 if one missed its target."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs (5)")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"no benchmark is called {unknown[0]}; there are {NAMES}")
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        os.environ["DATA_DIR"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vllm_batch.settings")
        return _run(options.names or list(NAMES), options.pairs)


def _run(names: list[str], pairs: int) -> int:
    import django

    django.setup()
    from bench.report import machine, save

    print(f"machine: {machine()}", flush=True)
    reports = []
    for name in names:
        print(f"… {name}", file=sys.stderr, flush=True)
        report = importlib.import_module(f"bench.{name}").run(pairs)
        report.print()
        reports.append(report)
    print(f"\nkept in {save(reports)}")
    return int(not all(row.is_met for report in reports for row in report.rows))


if __name__ == "__main__":
    sys.exit(main())
