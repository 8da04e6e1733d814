#!/usr/bin/env bash
# Builds tools and servers that some tests use if they are there, from their Go modules, once, into a cache:
# ${ORBIT_REAL_SERVERS:-~/.cache/orbit-real-servers}/bin. Needs Go and a module proxy. Tests skip what is missing.
#
#   scripts/real_servers.sh [NAME...]     # default: all
set -euo pipefail

bin=${ORBIT_REAL_SERVERS:-$HOME/.cache/orbit-real-servers}/bin
declare -A modules=( # program -> package and version
    [helm]=helm.sh/helm/v3/cmd/helm@v3.19.2
)
mkdir -p "$bin"
for name in "${@:-${!modules[@]}}"; do
    module=${modules[$name]:?"there is no recipe for $name; known: ${!modules[*]}"}
    if [ -x "$bin/$name" ]; then continue; fi
    command -v go >/dev/null || {
        echo "Building $name needs Go." >&2
        exit 1
    }
    echo "Building $name from $module ..." >&2
    GOBIN=$bin go install "$module"
done
