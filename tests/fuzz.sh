#!/bin/sh
# `make fuzz`: search for inputs that break a promise, for so many seconds a target (60):
# by coverage (atheris), then by Hypothesis' long profile, then by Schemathesis with many
# examples, by other random choices each time. HYPOTHESIS_PROFILE=short is quicker.
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
DATA_DIR=$(mktemp -d)
export DATA_DIR
trap 'rm -rf "$DATA_DIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "== by coverage"
DATABASE_URL='' DJANGO_SETTINGS_MODULE=vllm_batch.settings \
  "$bin/python" -m tests.fuzz "${1:-60}"

echo "== by chance"
HYPOTHESIS_PROFILE=${HYPOTHESIS_PROFILE:-long} "$bin/python" -m tests.rig.postgres \
  "$bin/python" -m pytest tests/fuzz -o timeout=3600

echo "== by the OpenAPI document"
SCHEMATHESIS=long "$bin/python" -m tests.rig.postgres \
  "$bin/python" -m pytest tests/conformance/test_openapi.py -o timeout=3600
