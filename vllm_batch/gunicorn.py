"""Gunicorn's configuration: threads, because uploads and downloads wait on disks."""

import json
import os
import socket
from http import HTTPStatus

from gunicorn import util

from vllm_batch.lib.ids import new_id

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 120
graceful_timeout = 30
max_requests = 0
accesslog = None
# Its control socket is one file for all servers of a user: two would meet there.
control_socket_disable = True


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
