"""Web nodes: gunicorns of their own that share a database and a storage folder."""

import re
import signal
import time

import httpx

from tests.rig.ports import free_port
from tests.rig.process import ROOT, Process
from tests.rig.stack import PYTHON, Stack


class Node:
    """One gunicorn at one address; it may end and come back there."""

    def __init__(self, stack: Stack, name: str, **environment: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.base_url = f"http://{self.address}{stack.site.api_path}"
        self._stack, self._name, self._environment = stack, name, environment
        self.process: Process | None = None
        self._asked = 0

    def start(self) -> "Node":
        """Start it and wait until it listens; it counts anew."""
        self._asked = 0
        self.process = self._stack.launch(
            self._name,
            *(PYTHON, "-m", "gunicorn", f"{self._stack.site.package}.wsgi"),
            *("--config", str(ROOT / "vllm_batch" / "gunicorn.py")),
            *("--bind", self.address),
            **self._environment,
        )
        self.process.wait_for("Listening at")
        self.process.wait_for("Booting worker")
        return self

    def end(self) -> None:
        """Send it SIGTERM, as every service manager does."""
        assert self.process is not None and self.process.popen is not None
        self.process.popen.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """End it and return its status."""
        self.end()
        assert self.process is not None and self.process.popen is not None
        return self.process.popen.wait(60)

    @property
    def is_alive(self) -> bool:
        """Tell whether its main process still runs."""
        return self.process is not None and self.process.is_alive

    def answered(self) -> int:
        """Return how many requests it has had, without these, as it counts them."""
        url = f"http://{self.address}/metrics"
        text = httpx.get(url, trust_env=False, timeout=60).text
        name = "django_http_requests_before_middlewares_total"
        found = re.findall(rf"^{name} (\S+)$", text, re.M)
        self._asked += 1
        return sum(int(float(value)) for value in found) - self._asked

    def wait_for_requests(self, count: int, seconds: float = 60) -> None:
        """Wait until nginx sends it requests."""
        ends_at = time.monotonic() + seconds
        while self.answered() < count:
            assert time.monotonic() < ends_at, "nginx leaves it alone"
            time.sleep(0.1)
