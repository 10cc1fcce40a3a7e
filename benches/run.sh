#!/usr/bin/env bash
# How long the function takes, beside a boto3 function of the same job and the bare
# runtime. `benches/run.sh --write` puts the figures into docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${BENCH_VENV:-.venv-bench}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement benches/requirements.txt
exec "$venv/bin/python" benches/bench.py "$@"
