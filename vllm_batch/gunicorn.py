"""Gunicorn's configuration: threads, because uploads and downloads wait on disks."""

import os

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 120
graceful_timeout = 30
max_requests = 0
accesslog = None
# Its control socket is one file for all servers of a user: two would meet there.
control_socket_disable = True
