#!/usr/bin/env bash
# Installs the Debian packages that tests need, so that pytest skips none. Does nothing if all are installed. Without
# root, it only lists the missing ones.
set -euo pipefail

PATH=$PATH:/usr/sbin:/usr/local/sbin
packages=( # program and package
    "certbot certbot"
    "caddy caddy"
    "chromium chromium"
    "ip iproute2"
    "logrotate logrotate"
    "mount mount"
    "nginx nginx"
    "node nodejs"
    "npm npm"
    "openssl openssl"
    "pdftotext poppler-utils"
    "systemd-analyze systemd"
    "tesseract tesseract-ocr"
    "unshare util-linux"
)
missing=()
for pair in "${packages[@]}"; do
    read -r program package <<<"$pair"
    command -v "$program" >/dev/null || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Tests that need these Debian packages will be skipped: ${missing[*]}. As root: apt-get install ${missing[*]}" >&2
    exit 0
fi
echo "Installing ${missing[*]} ..." >&2
policy=/usr/sbin/policy-rc.d # 101: packages must not start servers, because the tests do
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
{ apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "That failed; tests that need these packages will be skipped." >&2
}
rm -f "$log"
