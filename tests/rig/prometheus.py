"""Debian's Prometheus and promtool, and a server that scrapes what a test runs."""

import os
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.rig import debian
from tests.rig.ports import free_port
from tests.rig.process import ROOT, Process

FILES = ROOT / "monitoring" / "prometheus"


def find_program(name: str = "prometheus") -> str:
    """Return a program's path, installing it if need be; empty if that cannot be."""
    return debian.find(name, "prometheus")


class Prometheus:
    """A server with our own configuration, other targets and a quicker pace."""

    def __init__(self, folder: Path, **targets: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        config = yaml.safe_load((FILES / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(FILES / "alerts.yml")]
        jobs = {job["job_name"]: job for job in config["scrape_configs"]}
        targets["prometheus"] = self.url.removeprefix("http://")
        for name, target in targets.items():
            jobs[name.replace("_", "-")]["static_configs"] = [{"targets": [target]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            find_program(),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={targets['prometheus']}",
        ]
        log = folder / "prometheus.log"
        self.process = Process("prometheus", command, env=os.environ, log=log)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process.start()
        self.process.wait_for("Server is ready")

    def query(self, expression: str) -> list[Any]:
        """Return an instant query's samples; a query that is none raises."""
        answer = httpx.get(
            f"{self.url}/api/v1/query", params={"query": expression}, trust_env=False
        ).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[Any] = answer["data"]["result"]
        return found

    def wait_for(self, expression: str, seconds: float = 30) -> list[Any]:
        """Return the samples once there are some, or none in the end."""
        ends_at = time.monotonic() + seconds
        while not (found := self.query(expression)) and time.monotonic() < ends_at:
            time.sleep(0.5)
        return found

    def stop(self) -> None:
        """End it."""
        self.process.stop()
