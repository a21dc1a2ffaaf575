#!/bin/sh
# The fault tests, alone: they kill processes and stop databases, and need the machine
# to themselves. FAULTS=long or FAULTS=full runs them at length; arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
DATA_DIR=$folder "$bin/python" -m tests.rig.postgres "$bin/python" -m pytest tests/faults "$@"
