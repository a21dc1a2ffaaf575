#!/bin/sh
# Build the pages as a site: `sh docs/build.sh [FOLDER]`. A link or an anchor that leads
# nowhere stops it. tests/docs/test_site.py runs the same.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
exec "$python" -m sphinx -q -b html -c docs --fail-on-warning --keep-going --nitpicky \
  . "${1:-var/site}"
