"""From a chat record to its line in the log: pure translation."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import structs

import orbit

REDACTED = "[redacted]"
LONGEST = 1_000_000
"""Bytes of a line, at most: followers and readers take a line at a time."""
_SHORTEST = 4_096
"""A line may always be so long: room for all that a record holds besides its texts."""
Content = Literal["full", "hash", "none"]


def iso(timestamp: float) -> str:
    """Unix seconds as ISO 8601 in UTC with milliseconds: ``2025-01-31T09:30:00.125Z``."""
    seconds, milliseconds = divmod(int(timestamp * 1000), 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)  # records come many in a second, and dates are slow to write
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def ending(statuses: Mapping[str, str]) -> bytes:
    """The end of a line: ``statuses`` (of sinks that follow the log) as its last fields, and the line feed."""
    fields = b"".join(b"," + msgspec.json.encode({name: status})[1:-1] for name, status in statuses.items())
    return fields + b"}\n"


class LineEncoder:
    """Turns records into lines, keeping of their texts only what the operator may keep."""

    def __init__(
        self, content: Content = "full", redact: Sequence[str] = (), hash_key: str = "", longest: int = LONGEST
    ) -> None:
        """``redact`` are regular expressions; raises ``re.error`` for one that is none.

        ``longest`` is in bytes: the texts of a longer line are cut, and say so.
        """
        self._longest = max(_SHORTEST, min(longest, LONGEST))
        self._patterns = [re.compile(pattern) for pattern in redact]
        self._keep: Callable[[str], str | None] = {
            "full": self._redacted,
            "hash": self._digest,
            "none": lambda _text: None,
        }[content]
        self._changes = content != "full" or bool(redact)
        self._key = hash_key.encode()
        self._json = msgspec.json.Encoder()

    def encode(self, record: orbit.ChatRecord, ending: bytes) -> bytes:
        """One JSON object in UTF-8: the fields of the record, then its ``ending``."""
        kept = self._kept(record) if self._changes else record
        line = self._line(kept, ending)
        chars = self._longest // 2
        while len(line) > self._longest and chars:
            line = self._line(_cut(kept, chars), ending)
            chars //= 2
        return line

    def _line(self, record: orbit.ChatRecord, ending: bytes) -> bytes:
        try:
            fields = self._json.encode(record)
        except UnicodeEncodeError:
            # A lone surrogate is no text in UTF-8; losing that character is better than losing the record.
            fields = self._json.encode(_without_surrogates(msgspec.to_builtins(record, str_keys=True)))
        after_the_timestamp = fields[fields.index(b",") : -1]  # which is the first field, and a number
        return b'{"timestamp":"' + iso(record.timestamp).encode() + b'"' + after_the_timestamp + ending

    def _kept(self, record: orbit.ChatRecord) -> orbit.ChatRecord:
        return structs.replace(
            record,
            query=self._keep(record.query),
            response=self._keep(record.response),
            reason=self._redacted(record.reason),
        )

    def _redacted(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text

    def _digest(self, text: str) -> str:
        data = self._redacted(text).encode("utf-8", "surrogatepass")
        if self._key:
            return "hmac-sha256:" + hmac.new(self._key, data, hashlib.sha256).hexdigest()
        return "sha256:" + hashlib.sha256(data).hexdigest()


def _cut(record: orbit.ChatRecord, chars: int) -> orbit.ChatRecord:
    """Return the record with no more than ``chars`` characters of each text, and as many sources as that is."""
    texts = {
        name: f"{text[:chars]} [cut: {len(text)} characters]"
        for name in ("query", "response", "reason")
        if (text := getattr(record, name)) and len(text) > chars
    }
    return structs.replace(record, **texts, sources=record.sources[:chars])


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
