"""Makes text from outside fit for logs and terminals: control characters escaped, secrets masked."""

from __future__ import annotations

import re

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: line ends, escape sequences
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of text
    "\u2028\u2029\ufeff\ufff9-\ufffb"  # line and paragraph separators, the byte order mark, annotations
    "\ud800-\udfff\U000e0000-\U000e007f]"  # lone surrogates and invisible tags
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_SECRETS = (
    (re.compile(r"://[^\s/?#]*@"), "://***@"),
    (re.compile(r"(?i)([?&](?:api[-_]?key|key|token|access[-_]token|password|secret|sig)=)[^&\s\"']+"), r"\1***"),
    (re.compile(r"(?i)\b(bearer|basic) [A-Za-z0-9._~+/-]{8,}=*"), r"\1 ***"),
    (re.compile(r"\b(api_|sk-)[A-Za-z0-9_-]{16,}"), r"\1***"),
)


def printable(text: str) -> str:
    r"""Return ``text`` on one line, each control character as an escape such as ``\x1b`` or ``\u2028``."""
    return _CONTROL.sub(_escaped, text) if _CONTROL.search(text) else text


def without_secrets(text: str) -> str:
    """Return ``text`` with ``***`` for user information in URLs, API keys and other credentials."""
    for pattern, mask in _SECRETS:
        text = pattern.sub(mask, text)
    return text


def _escaped(match: re.Match[str]) -> str:
    sign = match[0]
    number = ord(sign)
    if number <= 0xFF:  # noqa: PLR2004  # what two hexadecimal digits can say
        return _SHORT.get(sign, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004  # four digits
