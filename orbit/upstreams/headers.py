"""Validation of configured credentials and headers, so that mistakes surface before the first request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SCHEME = re.compile(r"(?:Authorization: *)?(?:Bearer|ApiKey|Basic)(?= )", re.IGNORECASE)


def header_problems(headers: Mapping[str, str], **credentials: str) -> Iterator[str]:
    """Yield problems by name of the setting. Never show values: they may be secrets."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            yield f"headers: {name!r} is not a valid header name, such as X-Tenant."
        elif reason := _unsendable(value):
            yield f"headers.{name} {reason}."
    for setting, value in credentials.items():
        if reason := _unsendable(value):
            yield f"{setting} {reason}."
        elif scheme := _SCHEME.match(value):
            yield f"{setting} begins with '{scheme[0]}', which is a part of the header; give what follows it alone."


def _unsendable(value: str) -> str:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return "contains a line break or another control character, which HTTP cannot send"
    if not value.isascii():
        return "contains a character outside ASCII, which HTTP cannot send"
    return "begins or ends with a space" if value != value.strip() else ""
