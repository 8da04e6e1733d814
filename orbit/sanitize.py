"""Makes untrusted text safe for logs and terminals: escapes control characters, masks secrets."""

from __future__ import annotations

import json
import re

__all__ = ["LINES", "printable", "printable_json", "without_secrets"]

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: line ends, escape sequences
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # text direction
    "\u2028\u2029\ufeff\ufff9-\ufffb"  # line and paragraph separators, the byte order mark, annotations
    "\ud800-\udfff\U000e0000-\U000e007f]"  # lone surrogates and invisible tags
)
LINES = "\n\t"
"""Characters that multi-line texts keep."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_SECRETS = (
    ("://", re.compile(r"://[^\s/?#\"]*@"), "://***@"),
    ("=", re.compile(r"(?i)([?&](?:api[-_]?key|key|token|access[-_]token|password|secret|sig)=)[^&\s\"']+"), r"\1***"),
    ("earer ", re.compile(r"\b([Bb]earer) [A-Za-z0-9._~+/-]{8,}=*"), r"\1 ***"),
    ("asic ", re.compile(r"\b([Bb]asic) [A-Za-z0-9+/]{8,}=*"), r"\1 ***"),
    ("api_", re.compile(r"\b(api_)[A-Za-z0-9_-]{16,}"), r"\1***"),
    ("sk-", re.compile(r"\b(sk-)[A-Za-z0-9_-]{16,}"), r"\1***"),
)
"""A substring that every match contains, the pattern, and its replacement. Texts without it are not searched."""


def printable(text: str, keep: str = "") -> str:
    r"""Return ``text`` with control characters escaped, such as ``\x1b``, except those in ``keep``."""
    if not _CONTROL.search(text):
        return text
    return _CONTROL.sub(lambda match: match[0] if match[0] in keep else _escaped(match[0]), text)


def printable_json(text: str) -> str:
    """Return JSON with the control characters escaped that JSON itself allows."""
    return _CONTROL.sub(lambda match: match[0] if match[0] in "\n\r\t" else json.dumps(match[0])[1:-1], text)


def without_secrets(text: str) -> str:
    """Return ``text`` with ``***`` in place of API keys, user information in URLs and other credentials."""
    for mark, pattern, mask in _SECRETS:
        if mark in text:
            text = pattern.sub(mask, text)
    return text


def _escaped(sign: str) -> str:
    number = ord(sign)
    if number <= 0xFF:  # noqa: PLR2004  # what two hexadecimal digits can say
        return _SHORT.get(sign, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004  # four digits
