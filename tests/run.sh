#!/bin/sh
# What `make test` runs once everything is installed: checks, then tests on SQLite (the
# smaller set), then all tests on a PostgreSQL of their own. Leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
DATA_DIR=$(mktemp -d)
export DATA_DIR
trap 'rm -rf "$DATA_DIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "== checks"
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy" .
"$bin/lint-imports" >"$DATA_DIR/imports.log" || { cat "$DATA_DIR/imports.log"; exit 1; }
DATABASE_URL='' "$bin/python" manage.py makemigrations --check --dry-run

# Two at a time, a file as a whole: much of a test is waiting for processes.
parallel="-p tests.rig.parallel -n ${TEST_PROCESSES:-2} --dist loadfile --no-loadscope-reorder"

echo "== tests on SQLite"
# Ray's clusters and fleets of endpoints are slow, and do not care for the database.
DATABASE_URL='' "$bin/python" -m pytest $parallel \
  tests/accounts tests/api tests/batches tests/curation/review tests/files tests/workers \
  --ignore=tests/workers/ray --ignore=tests/workers/endpoints -m "not vllm and not conformance"

echo "== tests on PostgreSQL"
# Browsers, brokers and real processes have seconds to answer, on a machine that may be
# busy: what fails runs once more, alone. It is printed both times, so a race does not
# hide.
postgres() {
  "$bin/python" -m tests.rig.postgres "$bin/python" -m pytest --ignore=tests/faults \
    --durations=20 --durations-min=20 --tb=native "$@"
}
# Native tracebacks: to cut out a statement for one, Python 3.11's `ast` may break off the
# whole run (CPython 106905). Such a run has failed, and no test of it is to be repeated.
postgres $parallel "$@" || {
  [ $? = 1 ] || exit 1
  echo "== what failed, once more"
  postgres --last-failed --last-failed-no-failures=none "$@"
}

echo "== faults"
# Without those that race with the supervisor's seconds: `make test-faults` has them.
sh tests/faults.sh --deselect tests/faults/test_chaos.py \
  --deselect tests/faults/test_clocks.py --deselect tests/faults/test_processes.py
