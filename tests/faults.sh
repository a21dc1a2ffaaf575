#!/bin/sh
# The fault tests, alone: they kill processes and stop databases, and need the machine
# to themselves. FAULTS=long runs them at length; arguments go to pytest.
#
# Their limits are seconds on a quiet machine, so what fails in the short form runs once
# more. That could hide a rare race: the long form, which never repeats, is for those.
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

faults() {
  DATA_DIR=$folder "$bin/python" -m tests.rig.postgres \
    "$bin/python" -m pytest tests/faults "$@"
}

if [ -n "${FAULTS:-}" ]; then
  faults "$@"
else
  faults "$@" || { echo "== what failed, once more"; faults --last-failed "$@"; }
fi
