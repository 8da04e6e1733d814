"""Converts chat records to lines of the log. Pure functions."""

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
"""Bytes of the longest line: followers and readers read a line at a time."""
_SHORTEST = 4_096
"""Bytes that a line may always have: room for everything in a record except its texts."""
Content = Literal["full", "hash", "none"]


def iso(timestamp: float) -> str:
    """Return Unix seconds as ISO 8601 in UTC with milliseconds: ``2025-01-31T09:30:00.125Z``."""
    seconds, milliseconds = divmod(int(timestamp * 1000), 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)  # many records share a second, and formatting dates is slow
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def ending(statuses: Mapping[str, str]) -> bytes:
    """Return the end of a line: ``statuses`` (of sinks that follow the log) as its last fields, and the line feed."""
    fields = b"".join(b"," + msgspec.json.encode({name: status})[1:-1] for name, status in statuses.items())
    return fields + b"}\n"


class LineEncoder:
    """Converts records to lines. Of their texts it keeps only what the operator allows."""

    def __init__(
        self, content: Content = "full", redact: Sequence[str] = (), hash_key: str = "", longest: int = LONGEST
    ) -> None:
        """Compile the regular expressions in ``redact``. Raises ``re.error`` for an invalid one.

        ``longest`` is in bytes: in longer lines, the texts are cut and marked as cut.
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
        """Return one JSON object in UTF-8: the fields of the record, then its ``ending``."""
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
            # UTF-8 cannot encode a lone surrogate. Losing that character is better than losing the record.
            fields = self._json.encode(_without_surrogates(msgspec.to_builtins(record, str_keys=True)))
        after_the_timestamp = fields[fields.index(b",") : -1]  # the first field, and a number
        return b'{"timestamp":"' + iso(record.timestamp).encode() + b'"' + after_the_timestamp + ending

    def _kept(self, record: orbit.ChatRecord) -> orbit.ChatRecord:
        return structs.replace(
            record,
            query=self._keep(record.query),
            response=self._keep(record.response),
            reason=self._redacted(record.reason),
            tool_calls=tuple(
                [structs.replace(call, arguments=self._keep(call.arguments)) for call in record.tool_calls]
            ),
            tool_uses=tuple(
                [
                    structs.replace(use, arguments=self._keep(use.arguments), result=self._keep(use.result))
                    for use in record.tool_uses
                ]
            ),
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
    """Return the record with at most ``chars`` characters of each text, and correspondingly few sources."""
    texts = {
        name: f"{text[:chars]} [cut: {len(text)} characters]"
        for name in ("query", "response", "reason")
        if (text := getattr(record, name)) and len(text) > chars
    }
    calls = tuple(
        [structs.replace(call, arguments=_start(call.arguments, chars)) for call in record.tool_calls[:chars]]
    )
    uses = tuple(
        [
            structs.replace(use, arguments=_start(use.arguments, chars), result=_start(use.result, chars))
            for use in record.tool_uses[:chars]
        ]
    )
    return structs.replace(record, **texts, sources=record.sources[:chars], tool_calls=calls, tool_uses=uses)


def _start(text: str | None, chars: int) -> str | None:
    return text if text is None else text[:chars]


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
