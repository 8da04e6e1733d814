"""Splits the body of an answer into events: server-sent ones, or a whole message."""

from typing import Any, Final

import msgspec

from orbit import ProviderError
from orbit.upstreams import Lines, event_data, loose_json, oversized
from orbit_anthropic.errors import not_compatible

LONGEST_LINE: Final = 8 * 1024 * 1024
"""Limit of one line, or of one event or message with several lines, in bytes."""
DONE: Final = "[DONE]"
"""The type of the event that OpenAI's end of a stream becomes."""
_LINE_COST: Final = 64
"""Overhead that each line counts for, in bytes."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Events:
    """The events in a body. Each has its type in its data, so the names of events are not needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._body = Lines(LONGEST_LINE)
        self._pending: list[bytes] = []
        """The lines so far of an event or a message with several."""
        self._is_message = False
        self._size = 0
        self.failure: ProviderError | None = None
        """The reason why the data after the returned events is unreadable."""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return the events that ``data`` completes."""
        lines = self._body.feed(data)
        if self._body.too_long:
            self.failure = self.failure or oversized(self._url, "a line", LONGEST_LINE)
        return self._events(lines)

    def end(self) -> list[dict[str, Any]]:
        """Return the events that the end of the body completes: without events, all of it is one message."""
        found = self._events([self._body.end()])
        self._is_message = False
        return found + self._flushed()

    def _events(self, lines: list[bytes]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for line in lines:
            if self.failure is not None:
                break
            if self._is_message:
                self._keep(line)
            elif (data := event_data(line)) is not None:
                found += self._data(data)
            elif not line:
                found += self._flushed()
            elif line.lstrip().startswith(b"{"):
                event = decoded(line)  # None for a message of several lines
                self._is_message = event is None
                if event is None:
                    self._keep(line)
                else:
                    found.append(event)
        return found

    def _data(self, data: bytes) -> list[dict[str, Any]]:
        """Return the event in a line of data. Ignore what is no JSON object, as other programs' pings are not."""
        if data == b"[DONE]":  # of OpenAI's API, from gateways that translate it
            return [{"type": DONE}]
        event = None if self._pending else decoded(data)
        if event is not None:
            return [event]
        if self._pending or data.startswith(b"{"):
            self._keep(data)
        return []

    def _keep(self, line: bytes) -> None:
        self._pending.append(line)
        self._size += len(line) + _LINE_COST
        if self._size > LONGEST_LINE:
            self._pending, self.failure = [], oversized(self._url, "a message", LONGEST_LINE)

    def _flushed(self) -> list[dict[str, Any]]:
        """Return the event in the collected lines."""
        if not self._pending:
            return []
        event = decoded(b"\n".join(self._pending))
        self._pending, self._size = [], 0
        if event is None:
            self.failure = self.failure or not_compatible(self._url, "an event is not JSON")
            return []
        return [event]


def decoded(data: bytes) -> dict[str, Any] | None:
    """Return the object of a JSON document; None if it is none."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        document = loose_json(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
