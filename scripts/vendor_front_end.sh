#!/usr/bin/env bash
# Copies the web pages' front-end libraries and their licences from npm into the package, at the versions below. The
# files are committed, so installing ORBIT does not require npm.
set -euo pipefail
cd "$(dirname "$0")/.."

marked=18.2.1    # Markdown, into a syntax tree and HTML
dompurify=3.4.18 # sanitizes HTML
katex=0.19.1     # formulas, with its style sheet and fonts

into=$PWD/orbit/web/pages/static/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

take() { # package version file licence...
    local package=$1 version=$2 file=$3
    shift 3
    npm pack --silent "$package@$version" >/dev/null
    tar -xzf "$package-$version.tgz"
    # ORBIT does not serve source maps; developer tools would request them.
    sed '/^\/\/# sourceMappingURL=/d' "package/$file" >"$into/$(basename "$file")"
    for licence in "$@"; do cp "package/$licence" "$into/$package.$licence.txt"; done
    rm -rf package
}

mkdir -p "$into"
rm -rf "${into:?}"/*
take marked "$marked" lib/marked.esm.js LICENSE
take dompurify "$dompurify" dist/purify.min.js LICENSE
take katex "$katex" dist/katex.min.js LICENSE

# Only the fonts that every current browser reads.
npm pack --silent "katex@$katex" >/dev/null
tar -xzf "katex-$katex.tgz"
mkdir -p "$into/fonts"
cp package/dist/fonts/*.woff2 "$into/fonts/"
sed -E 's/,url\([^)]*\.(woff|ttf)\) format\("[a-z]+"\)//g' package/dist/katex.min.css >"$into/katex.min.css"
