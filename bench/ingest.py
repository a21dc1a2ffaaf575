"""G6: upload and full validation of a 200 MB file, against `dd conv=fdatasync`."""

import os
import subprocess
import time
from pathlib import Path

from bench.measure import in_turn, ratio
from bench.options import Options
from bench.processes import tree_cpu
from bench.report import Report
from bench.site import Client, model_toml, stack
from bench.workloads import chat_lines
from tests.rig.stack import PYTHON

LINES, WORDS = 49_000, 560


def run(options: Options) -> Report:
    """Compare MB/s from the first byte sent to the batch in progress."""
    with stack() as site:
        site.load_models(model_toml("null"))
        site.start_web()
        ops = site.launch("ops", PYTHON, "manage.py", "qcluster", Q_CLUSTER_NAME="ops")
        client = Client(site)
        path = site.folder / "in.jsonl"
        lines = chat_lines(options.size(LINES, 5_000), model="bench", words=WORDS)
        path.write_bytes(b"".join(lines))
        pids = (site.processes["web"].pid, ops.pid)
        uploads: list[float] = []
        cpus: list[float] = []

        def ours() -> float:
            start, cpu = time.perf_counter(), tree_cpu(*pids)
            file_id = client.upload(path)
            uploads.append(time.perf_counter() - start)
            batch = client.create(file_id)
            client.wait(batch, ("in_progress",), pause=0.01)
            seconds = time.perf_counter() - start
            cpus.append(tree_cpu(*pids) - cpu)
            client.cancel(batch)
            return seconds

        def copying() -> float:
            return _copy(path, site.folder / "copy")

        taken, reference = in_turn([ours, copying], options.pairs)
        size = path.stat().st_size / 1e6
    return _report(size, uploads[1:], (taken, reference), min(cpus))


def _report(
    size: float,
    uploads: list[float],
    pairs: tuple[list[float], list[float]],
    cpu: float,
) -> Report:
    taken, reference = pairs
    report = Report(f"ingest of {size:.0f} MB")
    report.add(
        "G6",
        "MB/s: uploaded, durable, validated and planned / dd conv=fdatasync",
        ratio(reference, taken),
        at_least=0.7,
        detail=f"{size / min(taken):.0f} against {size / min(reference):.0f} MB/s at"
        f" best; upload {min(uploads):.2f} s of {min(taken):.2f} s; {cpu:.2f} s CPU",
    )
    what = "MB/s: uploaded and durable / dd"
    report.add("G6", what, ratio(reference, uploads))
    return report


def _copy(path: Path, target: Path) -> float:
    start = time.perf_counter()
    command = ["dd", f"if={path}", f"of={target}", "bs=1M", "conv=fdatasync"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    os.unlink(target)
    return seconds
