#!/usr/bin/env bash
# Sets everything up in .venv and runs the tests. Arguments go to pytest: ./test.sh tests/web -k stream
set -euo pipefail
cd "$(dirname "$0")"
scripts/setup.sh --dev
exec .venv/bin/python -m pytest "$@"
