"""Reads answers of servers that keep their protocol only roughly: line ends, characters, numbers, reasons to end."""

from __future__ import annotations

import json
import logging
import re
from typing import Any, Final

from orbit.errors import ProviderError
from orbit.types import FinishReason

logger = logging.getLogger("orbit.upstreams")

_MARK: Final = b"\xef\xbb\xbf"
_BEFORE_FIELDS: Final = _MARK + b" \t"
_FAILED: Final = re.compile(
    r"abort|cancel|error|fail|exception|time_?d?_?out|interrupt|malformed|insufficient|kill|unavail|disconnect|load"
    r"|crash|evict|preempt|unexpected|exceed|limit|quota|shut_?down|network|closed"
)
_FILTERED: Final = re.compile(
    r"filter|safety|prohibit|block|recitation|spii|refus|sensitive|guardrail|moderat|policy|violat|language"
)
_CUT: Final = re.compile(r"length|max|token_?limit|incomplete|truncat|window|pause")
_ENDED: Final = re.compile(r"stop|eos|end|done|finish|complete|tool|function|success|normal|\d")
"""Words in the reason why an answer ends. Each service has its own: `model_length`, `SAFETY`, `eos_token`."""
_MOST_TOKENS: Final = 10**9


class Lines:
    """Splits a body into lines as its bytes arrive. They end with LF, CR LF or CR."""

    def __init__(self, longest: int) -> None:
        """Set the limit of a line, in bytes."""
        self._longest = longest
        self._rest = b""
        self._after_cr = False
        self._started = False
        self.too_long = False
        """Whether a line exceeded the limit."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that ``data`` completes."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        if self._after_cr or b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._rest += data
            if len(self._rest) > self._longest:
                self._rest, self.too_long = b"", True
            return []
        head, self._rest = self._rest + head, rest
        if not self._started:
            self._started, head = True, head.removeprefix(_MARK)
        return head.split(b"\n")

    def end(self) -> bytes:
        """Return the line that the end of the body completes."""
        rest, self._rest = self._rest, b""
        return rest if self._started else rest.removeprefix(_MARK)


def event_data(line: bytes) -> bytes | None:
    """Return the data of a line of server-sent events; None if it has none.

    Accepts what servers add: white space or a byte order mark before the field, ``Data:``, and ``data:`` once more, by
    a server that passes on another one's events.
    """
    if not line.startswith(b"data:"):
        line = line.lstrip(_BEFORE_FIELDS)
        if line[:5].lower() != b"data:":
            return None
    data = line[5:].strip()
    while data.startswith(b"data:"):
        data = data[5:].lstrip()
    return data


class Characters:
    """Joins surrogate halves that some servers send separately."""

    def __init__(self) -> None:
        self.half = ""
        """The first half of a character whose second one is still to come."""

    def add(self, text: str) -> str:
        """Return the whole characters; a lone half becomes U+FFFD."""
        text, self.half = self.half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def rest(self) -> str:
        """Return what remains at the end of the answer."""
        return "\ufffd" * len(self.half)


def loose_json(data: bytes) -> Any:
    """Decode JSON with NaN, control characters, endless numbers or invalid UTF-8.

    Raises ValueError, also if it is nested too deeply.
    """
    try:
        return json.loads(data.decode(errors="replace"), strict=False, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _whole(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python reads
        return float(digits)


def count_of(value: Any) -> int | None:
    """Return a token count, also from a float or a text; None if it is none, or more than any answer has."""
    try:
        count = None if isinstance(value, bool) else max(0, int(float(value)))
    except (TypeError, ValueError, OverflowError):
        return None
    return count if count is not None and count <= _MOST_TOKENS else None


def finish_reason(given: Any, url: str, field: str) -> FinishReason | None:
    """Return why an answer ended; None if the server does not say. ``field`` is where it said so.

    Raises ProviderError if the reason means that the answer is incomplete.
    """
    if isinstance(given, dict):
        given = given.get("type") or given.get("reason")
    reason = "" if given in (None, False) else str(given).lower()
    if reason in ("", "null", "none"):
        return None
    if _FILTERED.search(reason):
        return "content_filter"
    if _CUT.search(reason):
        return "length"
    if _FAILED.search(reason):
        raise ProviderError(f"{url} broke off the answer ({field} {reason[:50]!r}).", retryable=True)
    if not _ENDED.search(reason):
        logger.warning("%s ended an answer with the unknown %s %r", url, field, reason[:50])
    return "stop"
