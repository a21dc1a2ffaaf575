#!/bin/sh
# The whole topology under load: `make load`, or `make load LOAD=--quick`. Arguments are
# those of `python -m tests.load`. Prints tables of pass figures; status 1 if one fails.
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
DATA_DIR=$(mktemp -d)
export DATA_DIR
trap 'rm -rf "$DATA_DIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$bin/python" -m tests.rig.postgres "$bin/python" -m tests.load "$@"
