"""Splits the body of an answer into events: server-sent ones, or a whole message."""

from typing import Any, Final

import msgspec

from orbit import ProviderError
from orbit.upstreams import oversized
from orbit_anthropic.errors import not_compatible

LONGEST_LINE: Final = 8 * 1024 * 1024
"""Limit of one line, in bytes."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Events:
    """The events in a body. Each has its type in its data, so the names of events are not needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rest = b""
        self._document = b""
        self.failure: ProviderError | None = None
        """The reason why the data after the returned events is unreadable."""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return the events that ``data`` completes."""
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest, self.failure = b"", oversized(self._url, "a line", LONGEST_LINE)
        return self._events(lines)

    def end(self) -> list[dict[str, Any]]:
        """Return the events that the end of the body completes: without events, all of it is one message."""
        rest, self._rest = self._rest, b""
        found = self._events([rest])
        if self._document:
            document, self._document = self._document, b""
            if event := self._decoded(document):
                found.append(event)
        return found

    def _events(self, lines: list[bytes]) -> list[dict[str, Any]]:
        found = []
        for line in lines:
            if self.failure is not None:
                break
            if line.startswith(b"data:"):
                data = line[5:].strip()
                if data != b"[DONE]" and (event := self._decoded(data)):
                    found.append(event)
            elif self._document or line.lstrip()[:1] == b"{":
                self._document += line + b"\n"
                if len(self._document) > LONGEST_LINE:
                    self._document, self.failure = b"", oversized(self._url, "a message", LONGEST_LINE)
        return found

    def _decoded(self, data: bytes) -> dict[str, Any] | None:
        try:
            return _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.failure = self.failure or not_compatible(self._url, "an event is not JSON")
            return None
