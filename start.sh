#!/usr/bin/env bash
# Installs ORBIT into .venv and runs the server.
#   ./start.sh [--host=H] [--port=N] [--workers=N] [--reload] [--config=FILE]
set -euo pipefail
cd "$(dirname "$0")"

config=""
arguments=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        echo "Usage: ./start.sh [--host=H] [--port=N] [--workers=N] [--reload] [--config=FILE]"
        echo "Installs ORBIT into .venv and runs the server, without a configuration the embedded default."
        exit 0
        ;;
    --config=*) config=${1#*=} ;;
    --config) config=${2:?--config needs a file} && shift ;;
    --host=* | --port=* | --workers=* | --reload) arguments+=("$1") ;;
    --host | --port | --workers) arguments+=("$1" "${2:?$1 needs a value}") && shift ;;
    *)
        echo "Unknown option: $1. See ./start.sh --help" >&2
        exit 2
        ;;
    esac
    shift
done

scripts/setup.sh
if [ -n "$config" ]; then
    arguments+=("--config=$config")
fi
exec .venv/bin/orbit serve "${arguments[@]}"
