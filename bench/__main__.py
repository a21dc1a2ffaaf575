"""`python -m bench [NAME …]`: run benchmarks, print their table, keep it as JSON."""

import argparse
import importlib
import os
import signal
import sys
import tempfile
import time
import traceback

NAMES = (
    "validation",
    "own_cpu",
    "http_client",
    "ingest",
    "download",
    "fairness",
    "kills",
    "scale",
    "prefixes",
    "checkpoints",
    "starvation",
    "review",
    "duplicates",
    "window",
    "llm_chat",
    "run_batch",
    "fleet",
    "ray",
    "workers",
    "plan",
)


def main() -> int:
    """Run the named benchmarks, or all; 1 if one missed its target."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs (5)")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: a smoke test"
    )
    parser.add_argument("--sqlite", action="store_true", help="instead of PostgreSQL")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"no benchmark is called {unknown[0]}; there are {NAMES}")
    names = options.names or list(NAMES)
    # Leave by way of `finally`: nothing that was started may stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bench.") as folder:
        _set_environment(folder)
        from bench.database import database

        with database(sqlite=options.sqlite):
            return _run(names, options.pairs, is_quick=options.quick)


def _set_environment(folder: str) -> None:
    os.environ |= {
        "DATA_DIR": folder,
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        # As in the worker, whose threads keep a connection each.
        "DATABASE_POOL": "false",
        "DISK_RESERVE_BYTES": "0",
        "LOG_LEVEL": "ERROR",
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _run(names: list[str], pairs: int, *, is_quick: bool) -> int:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", "--noinput", verbosity=0)
    from bench import warm
    from bench.options import Options
    from bench.report import Report, machine, new_path, save

    print(f"machine: {machine()}", flush=True)
    path, reports, is_whole = new_path(), [], True
    try:
        for name in names:
            print(f"… {name}", file=sys.stderr, flush=True)
            load, start = os.getloadavg()[0], time.monotonic()
            try:
                work = importlib.import_module(f"bench.{name}").run
                report: Report = work(Options(pairs, is_quick))
            except Exception:  # noqa: BLE001 - the others are still worth having
                traceback.print_exc()
                is_whole = False
                continue
            report.load, report.seconds = load, time.monotonic() - start
            report.print()
            reports.append(report)
            save(reports, path)
    finally:
        warm.close()
    print(f"\nkept in {path}")
    met = all(row.is_met for report in reports for row in report.rows)
    return int(not (is_whole and met))


if __name__ == "__main__":
    sys.exit(main())
