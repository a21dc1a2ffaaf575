"""Bring the topology up, drive a batch through nginx, show what it left everywhere.

`make topology` runs it on a PostgreSQL of its own. It ends with status 0 if the batch
completed and is seen in the metrics, the logs and the dashboards' queries. With KEEP=1
it then stays until Ctrl-C.
"""

import json
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.client import Api, line
from tests.rig.ports import free_port
from tests.rig.process import ROOT
from tests.rig.prometheus import Prometheus, find_program
from tests.rig.stack import Stack
from tests.topology.nginx import PREFIX, Nginx, find_nginx

LINES = 500
DASHBOARDS = ROOT / "monitoring" / "grafana" / "dashboards"


def main() -> int:
    """Do it all and return the exit status."""
    if not (find_nginx() and find_program()):
        print("nginx and prometheus are needed: apt-get install nginx-light prometheus")
        return 2
    port = free_port()
    stack = Stack(
        DOWNLOAD_ACCEL_PREFIX=PREFIX,
        TRUSTED_PROXIES="127.0.0.1",
        WORKER_METRICS_PORT=str(port),
        LOG_FORMAT="json",
    )
    with tempfile.TemporaryDirectory(prefix="topology.") as folder:
        parts: list[Any] = []
        try:
            stack.start()
            print(f"server and worker: {stack.base_url}")
            nginx, prometheus = _surround(stack, port, Path(folder), parts)
            return _show(stack, nginx, prometheus)
        except AssertionError:
            print(stack.logs())
            raise
        finally:
            for part in reversed(parts):
                part.stop()
            stack.stop()


def _surround(
    stack: Stack, port: int, folder: Path, parts: list[Any]
) -> tuple[Nginx, Prometheus]:
    address = urlsplit(stack.base_url).netloc
    nginx = Nginx(folder / "nginx", address, stack.folder / "batch")
    parts.append(nginx.start())
    print(f"nginx: {nginx.base_url}")
    targets = {
        "vllm_batch_api": address,
        "vllm_batch_worker": f"127.0.0.1:{port}",
    }
    prometheus = Prometheus(folder, **targets)
    prometheus.start()
    parts.append(prometheus)
    print(f"prometheus: {prometheus.url}")
    return nginx, prometheus


def _show(stack: Stack, nginx: Nginx, prometheus: Prometheus) -> int:
    api = Api(nginx.base_url, stack.new_key())
    batch = api.run(*[line(str(n), f"ECHO {n}") for n in range(LINES)], seconds=120)
    records = api.records(batch["output_file_id"])
    print(f"batch {batch['id']}: {batch['status']}, {len(records)} answers downloaded")
    is_done = batch["status"] == "completed" and len(records) == LINES
    counted = _metrics(prometheus)
    logged = _logs(stack, batch["id"])
    shown = _dashboards(prometheus)
    is_well = all([is_done, counted, logged, shown])
    print("all is well" if is_well else "something is missing")
    if os.environ.get("KEEP"):
        print(f"key: {api.key}\nCtrl-C ends it")
        with suppress(KeyboardInterrupt):
            signal.pause()
    return 0 if is_well else 1


def _metrics(prometheus: Prometheus) -> bool:
    query = f'sum(vllm_request_total{{outcome="completed"}}) >= {LINES}'
    found = prometheus.wait_for(query)
    print(f"metrics: {query} → {found[0]['value'][1] if found else 'nothing'}")
    return bool(found)


def _logs(stack: Stack, batch_id: str) -> bool:
    """Count the batch's log records, by process; every record has to be JSON."""
    counts: dict[str, int] = {}
    for name in ("web", "worker"):
        lines = [x for x in stack.processes[name].output().splitlines() if x[:1] == "{"]
        counts[name] = sum(json.loads(x).get("batch_id") == batch_id for x in lines)
    print(f"logs: records that name the batch: {counts}")
    return sum(counts.values()) > 0


def _dashboards(prometheus: Prometheus) -> bool:
    """Ask what the panels ask; those of GPUs, faults and vLLM itself have no data."""
    asked = [
        target["expr"].replace("$__rate_interval", "1m")
        for path in DASHBOARDS.glob("*.json")
        for panel in json.loads(path.read_text())["panels"]
        if panel["type"] != "logs"
        for target in panel.get("targets", [])
    ]
    full = sum(bool(prometheus.query(query)) for query in asked)
    print(f"dashboards: {full} of {len(asked)} queries have data")
    return full > len(asked) // 2


if __name__ == "__main__":
    sys.exit(main())
