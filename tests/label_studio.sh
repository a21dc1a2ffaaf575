#!/bin/sh
# Tests against the real Label Studio, in a virtual environment of its own (1 GB): it
# needs another Django than ours in places. The environment and a migrated database stay
# in LABEL_STUDIO_VENV, outside the repository, for the next run.
#
# `tests/label_studio.sh install` makes these two and tests nothing; it may be cut off.
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
version=$(sed -n 's/^label-studio==//p' tests/label_studio/requirements.txt)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vllm-batch
LABEL_STUDIO_VENV=${LABEL_STUDIO_VENV:-$cache/label-studio-$version}
export LABEL_STUDIO_VENV
if [ ! -e "$LABEL_STUDIO_VENV/.complete-$version" ]; then
  echo "== installing Label Studio $version into $LABEL_STUDIO_VENV"
  "$bin/python" -m venv "$LABEL_STUDIO_VENV"
  "$LABEL_STUDIO_VENV/bin/python" -m pip install -q --disable-pip-version-check \
    -r tests/label_studio/requirements.txt
  touch "$LABEL_STUDIO_VENV/.complete-$version"
fi
if [ "${1:-}" = install ]; then
  exec "$bin/python" -m tests.label_studio.server
fi
DATA_DIR=$(mktemp -d)
export DATA_DIR
trap 'rm -rf "$DATA_DIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$bin/python" -m tests.rig.postgres "$bin/python" -m pytest tests/label_studio "$@"
