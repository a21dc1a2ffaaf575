"""G1, G1b: upload to download through the product, against vLLM's own `run-batch`."""

import os
import subprocess
import time
from pathlib import Path
from statistics import median

from bench import models, warm
from bench.measure import Spent, cpus, in_turn, ratio, spend, walls
from bench.options import Options
from bench.processes import tree_cpu
from bench.reference import Reference, run_batch_command
from bench.report import Report
from bench.site import Client, model_toml, stack
from bench.workloads import mixed_lines, sources
from tests.rig.process import ROOT
from tests.rig.stack import Stack


def run(options: Options) -> Report:
    """Compare with the engine phase alone, and with the whole process."""
    warm.close()
    model = models.tiny()
    count = options.size(2_000, 300)
    report = Report(f"run-batch, {count:,} lines, {sources()}")
    with stack() as site:
        path = site.folder / "in.jsonl"
        path.write_bytes(b"".join(mixed_lines(count, model="bench")))
        client = _start(site, model)

        def ours() -> Spent:
            pids = [process.pid for process in site.processes.values()]
            start, cpu = time.perf_counter(), tree_cpu(*pids)
            batch = client.wait(client.submit(path))
            assert batch["request_counts"]["failed"] == 0, batch
            client.download(batch["output_file_id"])
            return Spent(time.perf_counter() - start, tree_cpu(*pids) - cpu)

        def whole() -> Spent:
            return _whole_process(model, path)

        reference = Reference("run_batch", model)
        try:
            pairs = in_turn([ours, lambda: reference.run(path)], options.pairs)
        finally:
            reference.close()
        _add(report, "G1", pairs, count, "engine phase, same arguments", 0.95)
        few = max(1, min(3, options.pairs - 2))
        pairs = in_turn([ours, whole], few, warm_up=False)
        _add(report, "G1b", pairs, count, "whole process, its defaults", 0.45)
    return report


def _start(site: Stack, model: str) -> Client:
    site.load_models(model_toml("vllm", model, **models.ENGINE_ARGS))
    site.start_web()
    command = ("manage.py", "runworker", "--preload", "bench")
    from tests.rig.stack import PYTHON

    site.launch("worker", PYTHON, *command).wait_for("working")
    return Client(site)


def _whole_process(model: str, path: Path) -> Spent:
    output = path.with_name("out.jsonl")
    command = run_batch_command(model, path, output)

    def work() -> None:
        log = output.with_suffix(".log").open("wb")
        with log:
            subprocess.run(
                command, check=True, cwd=ROOT, env=os.environ, stdout=log, stderr=log
            )

    return spend(work)


def _add(
    report: Report,
    goal: str,
    pairs: list[list[Spent]],
    count: int,
    what: str,
    at_most: float,
) -> None:
    ours, theirs = pairs
    seconds = [median(walls(each)) for each in pairs]
    each = [1000 * median(cpus(spent)) / count for spent in pairs]
    report.add(
        goal,
        f"upload to download / run-batch's {what}",
        ratio(walls(ours), walls(theirs)),
        at_most=at_most,
        detail=f"{seconds[0]:.2f} s against {seconds[1]:.2f} s; CPU of all processes"
        f" {each[0]:.2f} against {each[1]:.2f} ms a line",
    )
