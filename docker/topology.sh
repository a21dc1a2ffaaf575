#!/bin/sh
# The whole topology from Debian's packages, without Docker: PostgreSQL, gunicorn, a
# worker with the stub engine, nginx with docker/nginx's configuration, Prometheus. It
# drives a batch through nginx and shows what it left in metrics, logs and dashboards'
# queries. All of it lies in temporary folders and on free ports, and is gone at the end.
#
# KEEP=1 leaves it running until Ctrl-C. As root it installs the packages it lacks.
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
DATA_DIR=$(mktemp -d)
export DATA_DIR
trap 'rm -rf "$DATA_DIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$bin/python" -m tests.rig.postgres "$bin/python" -m tests.topology
