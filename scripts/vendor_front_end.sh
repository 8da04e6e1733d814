#!/usr/bin/env bash
# Copies the front-end libraries of the web pages, at the versions below, from npm into the package, with their
# licences. The files are committed: nobody who installs ORBIT needs npm.
set -euo pipefail
cd "$(dirname "$0")/.."

marked=18.2.1    # Markdown, into a syntax tree and HTML
dompurify=3.4.18 # lets only harmless HTML pass

into=$PWD/orbit/web/pages/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

take() { # package version file licence...
    local package=$1 version=$2 file=$3
    shift 3
    npm pack --silent "$package@$version" >/dev/null
    tar -xzf "$package-$version.tgz"
    # The maps that the files name are not served, and browsers' developer tools would ask for them.
    sed '/^\/\/# sourceMappingURL=/d' "package/$file" >"$into/$(basename "$file")"
    for licence in "$@"; do cp "package/$licence" "$into/$package.$licence.txt"; done
    rm -rf package
}

mkdir -p "$into"
rm -f "$into"/*
take marked "$marked" lib/marked.esm.js LICENSE
take dompurify "$dompurify" dist/purify.min.js LICENSE
