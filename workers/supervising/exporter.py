"""A worker's own port for Prometheus, in the supervisor: one thread, no database.

What is served was counted by the queue's processes, in files of a folder, so it stays
when they are killed. The supervisor starts programs, it never forks itself, so that a
thread harms nothing.
"""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from django.core.management.base import CommandError
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from vllm_batch.lib.conf import conf
from vllm_batch.lib.metric_files import FOLDER, begin, forget_dead
from vllm_batch.lib.metrics import text_of
from workers.engines.ray.replica_metrics import ReplicaCollector
from workers.metrics import RESTARTS

logger = logging.getLogger(__name__)


class Exporter:
    """Serves what the processes of one worker count, if it has a port."""

    def __init__(self, worker: str) -> None:
        self._folder = conf().DATA_DIR / "metrics" / f"worker.{worker}"
        self._address = conf().WORKER_METRICS_HOST, conf().WORKER_METRICS_PORT

    @property
    def environment(self) -> dict[str, str]:
        """What lets a process count for this worker."""
        return {FOLDER: str(self._folder)} if self._address[1] else {}

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve meanwhile; raises CommandError if the port cannot be had."""
        if not self._address[1]:
            yield
            return
        server = self._open()
        begin(self._folder)
        for cluster in ("gpu", "ops"):
            RESTARTS.labels(cluster)
        threading.Thread(
            target=server.serve_forever, name="metrics", daemon=True
        ).start()
        logger.info("metrics at http://%s:%s/metrics", *self._address)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()

    def _open(self) -> "_Server":
        try:
            return _Server(self._address, self._folder)
        except OSError as error:
            host, port = self._address
            raise CommandError(
                f"The worker's metrics cannot be served at {host}:{port}:"
                f" {error.strerror}. Give each slot a WORKER_METRICS_PORT of its own,"
                " or set it to 0."
            ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], folder: Path) -> None:
        self.folder = folder
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, without asking a name server for this machine's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]


class _Handler(BaseHTTPRequestHandler):
    # A client that says nothing does not keep a thread for ever.
    timeout = 10.0
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        """Answer with the metrics, at one path only."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        forget_dead(self.server.folder)
        replicas = ReplicaCollector(self.server.folder)
        body = text_of(str(self.server.folder), RESTARTS, replicas)
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a scrape is no event."""
