"""Gunicorn's configuration: threads, because uploads and downloads wait on disks."""

import json
import os
import shutil
import socket
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.glogging import Logger

from vllm_batch.environment import read_environment
from vllm_batch.lib.ids import new_id
from vllm_batch.lib.logs import JsonFormatter
from vllm_batch.lib.metric_files import begin_server, forget_dead

worker_class = "vllm_batch.gunicorn_worker.Worker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 120
graceful_timeout = 30
max_requests = 0
accesslog = None
# Whose word counts on TLS (X-Forwarded-Proto); nobody's unless named. gunicorn takes
# what comes through a Unix socket anyway.
_proxies = map(str.strip, os.environ.get("TRUSTED_PROXIES", "").split(","))
forwarded_allow_ips = ",".join(p for p in _proxies if p not in ("", "unix"))
# Headers that would move a request to another path are nobody's.
forwarder_headers = ""
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
keepalive = 5
# Its control socket is one file for all servers of a user: two would meet there.
control_socket_disable = True

_environment = read_environment()
# Before anything is loaded that counts: its processes count together.
_metrics = begin_server(_environment.DATA_DIR / "metrics", socket.gethostname())


class _Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's own, in the form of LOG_FORMAT."""

    def _set_handler(self, log: Any, output: Any, fmt: Any, *rest: Any) -> None:
        form = JsonFormatter() if _environment.LOG_FORMAT == "json" else fmt
        super()._set_handler(log, output, form, *rest)


logger_class = _Log


def child_exit(server: Any, worker: Any) -> None:
    """Forget what only holds while a process lives; its counts stay."""
    forget_dead(_metrics)


def on_exit(server: Any) -> None:
    """Leave no folder behind."""
    shutil.rmtree(_metrics, ignore_errors=True)


def _write_error(sock: socket.socket, status: int, reason: str, text: str) -> None:
    """Answer what never reaches Django (an address too long …) as the API answers."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": text or reason, "type": kind, "param": None, "code": None}
    body = json.dumps({"error": error})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"x-request-id: {new_id('req_')}",
    )
    util.write_nonblock(sock, ("\r\n".join(head) + "\r\n\r\n" + body).encode())


util.write_error = _write_error
