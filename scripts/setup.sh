#!/usr/bin/env bash
# Creates .venv with ORBIT, its embedded plugins and (with --dev) the test tools. Does nothing if it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

python=${PYTHON:-python3}
dev=no
[ "${1:-}" = "--dev" ] && dev=yes

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "ORBIT needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1 || echo 'not installed')."
    say "Install it (Debian: apt install python3 python3-venv), or choose one: PYTHON=/path/to/python3.11 $0"
    exit 1
}

plugins=(plugins/orbit_llamacpp plugins/orbit_chroma plugins/orbit_lexical plugins/orbit_onnx plugins/orbit_wordllama)
[ "$dev" = yes ] && plugins=(plugins/orbit_*)

# The installation is current while the declared dependencies and the purpose (run or dev) are unchanged.
stamp=.venv/.orbit-setup
wanted=$(cat pyproject.toml constraints.txt requirements-dev.txt plugins/*/pyproject.toml tests/clients/package.json tests/clients/requirements.txt scripts/setup.sh | sha256sum | cut -c1-64)
if [ -x .venv/bin/orbit ] && grep -qsx "$wanted dev" "$stamp"; then exit 0; fi
if [ "$dev" = no ] && [ -x .venv/bin/orbit ] && grep -qsx "$wanted run" "$stamp"; then exit 0; fi

if [ ! -x .venv/bin/python ]; then
    say "Creating the virtual environment .venv ..."
    "$python" -m venv .venv || {
        say "That failed. On Debian: apt install python3-venv"
        exit 1
    }
fi
pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input "$@"; }

quietly() { # run a command; print its output only if it fails
    local log
    log=$(mktemp)
    "$@" >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        rm -f "$log"
        exit 1
    }
    rm -f "$log"
}

if ! .venv/bin/python -c 'import llama_cpp' 2>/dev/null; then
    for tool in cc c++ cmake; do
        command -v "$tool" >/dev/null || {
            say "Compiling llama.cpp requires '$tool'. On Debian: apt install build-essential cmake"
            exit 1
        }
    done
    say "Compiling llama.cpp for this machine; this happens once and takes a few minutes."
    log=$(mktemp)
    # ORBIT does not use llama.cpp's server and tools; leaving them out halves the time.
    CMAKE_ARGS="${CMAKE_ARGS:-} -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF" \
        .venv/bin/python -m pip --disable-pip-version-check --no-input install -v -c constraints.txt llama-cpp-python >"$log" 2>&1 &
    build=$!
    last=""
    while kill -0 "$build" 2>/dev/null; do
        step=$(grep -oE '\[[0-9]+/[0-9]+\]' "$log" | tail -n 1 || true)
        if [ -n "$step" ] && [ "$step" != "$last" ]; then
            if [ -t 2 ]; then printf '\r  compiled %s ' "$step" >&2; else say "  compiled $step"; fi
            last=$step
        fi
        sleep 5
    done
    [ -t 2 ] && printf '\n' >&2
    wait "$build" || {
        say "Compiling llama.cpp failed:"
        tail -n 40 "$log" >&2
        rm -f "$log"
        exit 1
    }
    rm -f "$log"
fi

say "Installing ORBIT and its plugins into .venv ..."
arguments=(-e '.')
[ "$dev" = yes ] && arguments=(-e '.[eval,mongodb,old-office]')
for plugin in "${plugins[@]}"; do
    case $plugin in
    plugins/orbit_llamacpp) arguments+=(-e "./$plugin[smollm2]") ;;
    plugins/orbit_onnx) arguments+=(-e "./$plugin[minilm,multilingual]") ;;
    plugins/orbit_fsspec) arguments+=(-e "./$plugin[s3,webdav,http]") ;;
    *) arguments+=(-e "./$plugin") ;;
    esac
done
[ "$dev" = yes ] && arguments+=(-r requirements-dev.txt)
quietly pip install -c constraints.txt "${arguments[@]}"
if [ "$dev" = yes ] && command -v npm >/dev/null; then
    say "Installing packages of Node.js for tests into .venv/node ..."
    mkdir -p .venv/node
    cp tests/clients/package.json .venv/node/
    (cd .venv/node && npm install --no-audit --no-fund --ignore-scripts >/dev/null 2>&1) ||
        say "That failed; pytest will skip their tests."
fi
if [ "$dev" = yes ]; then
    say "Installing clients for Python into .venv/clients ..."
    { .venv/bin/python -m venv --clear --without-pip .venv/clients &&
        .venv/bin/python -m uv pip install --quiet --python .venv/clients --requirement tests/clients/requirements.txt; } >/dev/null 2>&1 ||
        say "That failed; pytest will skip their tests."
fi
if [ "$dev" = yes ]; then echo "$wanted dev" >"$stamp"; else echo "$wanted run" >"$stamp"; fi
