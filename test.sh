#!/usr/bin/env bash
# Installs ORBIT and its test tools into .venv and runs the tests. Passes arguments to pytest: ./test.sh tests/web -k stream
set -euo pipefail
cd "$(dirname "$0")"
scripts/setup.sh --dev
exec .venv/bin/python -m pytest "$@"
