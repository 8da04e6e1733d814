"""What a server says when it cannot, as ORBIT's errors. Pure: nothing here opens a connection."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, Literal, TypeAlias

import msgspec

from orbit import OrbitError, PromptTooLong, ProviderError

FailureKind: TypeAlias = Literal["failed", "unavailable", "overloaded", "timeout", "not_found"]

_TOO_LONG: Final = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|model's context length|context window"
)
"""In the code, type or message: OpenAI's, llama.cpp's, vLLM's until 0.15 and since, other services'."""
_NO_MONEY: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})

_STATUS: Final[dict[int, tuple[str, FailureKind, bool]]] = {
    HTTPStatus.UNAUTHORIZED: ("{url} refused the API key. Set `api_key` to one that it accepts.", "failed", False),
    HTTPStatus.FORBIDDEN: ("{url} does not allow this key to do that: {said}", "failed", False),
    HTTPStatus.NOT_FOUND: ("{url} does not know that address: {said}. Does base_url end in /v1?", "failed", False),
    HTTPStatus.REQUEST_TIMEOUT: ("{url} gave up waiting: {said}", "timeout", True),
    HTTPStatus.TOO_MANY_REQUESTS: ("{url} is busy: {said}", "overloaded", True),
    HTTPStatus.BAD_GATEWAY: ("{url} has no model server behind it: {said}", "unavailable", True),
    HTTPStatus.SERVICE_UNAVAILABLE: ("{url} is busy or still loading: {said}", "overloaded", True),
    HTTPStatus.GATEWAY_TIMEOUT: ("{url} gave up waiting: {said}", "timeout", True),
}
"""Status -> sentence, kind, retryable. Some of them come from proxies only."""


class Busy(ProviderError):
    """The server is there and asks to be left alone for ``seconds``; None if it does not say how long."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message, kind="overloaded", retryable=True)
        self.seconds = seconds


class _Fault(msgspec.Struct):
    """What is told of an error, under whichever names."""

    said: str
    marks: str
    """Code, type and message, to look for words in."""
    status: int | None = None


def status_error(status: int, headers: Mapping[str, str], body: bytes, model: str, url: str) -> OrbitError:
    """Return the error for a status other than 200."""
    try:
        fault = _read(msgspec.json.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        fault = _Fault("", "")
    said = fault.said or f"status {status} without an explanation"
    if _TOO_LONG.search(fault.marks):
        return PromptTooLong(f"the model cannot read that much: {said}")
    if any(mark in fault.marks for mark in _NO_MONEY):
        return ProviderError(f"{url} wants to be paid first: {said}")
    if status == HTTPStatus.NOT_FOUND and "model" in fault.marks:
        return ProviderError(f"{url} does not have the model '{model}': {said}", kind="not_found")
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return Busy(_STATUS[status][0].format(url=url, said=said), _retry_after(headers))
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return ProviderError(f"{url} has moved to {headers.get('Location', 'another address')}; set base_url to that.")
    own_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR  # the server's, which may pass; 4xx is the request's
    otherwise = "{url} failed: {said}" if own_fault else "{url} refused the request: {said}"
    sentence, kind, retryable = _STATUS.get(status, (otherwise, "failed", own_fault))
    return ProviderError(sentence.format(url=url, said=said), kind=kind, retryable=retryable)


def frame_error(frame: Any, model: str, url: str) -> OrbitError:
    """Return the error that a server tells of within a stream that began with status 200."""
    fault = _read(frame)
    if fault.status is not None and fault.status >= HTTPStatus.BAD_REQUEST:
        return status_error(fault.status, {}, msgspec.json.encode(frame), model, url)
    if _TOO_LONG.search(fault.marks):
        return PromptTooLong(f"the model cannot read that much: {fault.said}")
    return ProviderError(f"{url} failed: {fault.said or 'it does not say how'}", retryable=True)


def not_compatible(url: str, detail: str) -> ProviderError:
    """Return the error for an answer that is not of OpenAI's form."""
    return ProviderError(f"{url} does not answer as OpenAI's API does ({detail}). Does base_url end in /v1?")


def _read(body: Any) -> _Fault:
    """Read ``{"error": {...}}``, ``{"error": "..."}``, ``{"object": "error", ...}`` and ``{"detail": ...}``."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, str):
        return _Fault(_sentence(error), error)
    if not isinstance(error, dict):
        return _Fault("", "")
    said = error.get("message") or error.get("detail") or error.get("error") or ""
    code = error.get("code")
    marks = f"{code} {error.get('type')} {said}"
    return _Fault(_sentence(said), marks, code if isinstance(code, int) else None)


def _sentence(said: Any) -> str:
    return " ".join(str(said).split())[:500]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to be left alone."""
    milliseconds, seconds = headers.get("retry-after-ms"), headers.get("Retry-After")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return None if seconds is None else max(0.0, float(seconds))
    except ValueError:
        pass
    try:
        at, now = parsedate_to_datetime(seconds or ""), parsedate_to_datetime(headers.get("Date") or "")
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds())
