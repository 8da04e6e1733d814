"""Error responses of a server, as ORBIT's errors. Pure functions, without connections."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from orbit import Message, OrbitError, PromptTooLong, ProviderError
from orbit.upstreams import Refused, error_of_status, is_final, loose_json, refuses_system

_TOO_LONG: Final = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|model's context length|context window"
    r"|prompt_too_long|prompt (is )?too long|prompt contains .* too large|longer than the maximum model length"
    r"|input token count .* exceeds|must have less than|exceeds the available context|reduce the length",
    re.IGNORECASE | re.DOTALL,
)
"""In the code, type or message: OpenAI's, llama.cpp's, vLLM's until 0.15 and later, other services'."""
_NO_MONEY: Final = ("insufficient_quota", "billing_hard_limit_reached", "insufficient credit", "insufficient balance")
_BUSY: Final = re.compile(r"rate_?limit|too_?many_?requests|overloaded|resource_exhausted|unavailable", re.IGNORECASE)
"""In the code or type of an error within a stream, which has no status of its own."""
_SENTENCES: Final[dict[int, str]] = {
    HTTPStatus.NOT_FOUND: "{url} does not know that address: {said}. Does base_url end in /v1?",
    HTTPStatus.SERVICE_UNAVAILABLE: "{url} is busy or still loading: {said}",
}
"""Status -> sentence, where it is not the usual one."""


class NoModelList(Refused):
    """A server is up but does not list its models."""


class _Fault(msgspec.Struct):
    """The information in an error response, under any of the usual names."""

    said: str
    marks: str
    """Code, type and message, to search for keywords."""
    status: int | None = None


def status_error(status: int, headers: Mapping[str, str], body: bytes, model: str, url: str) -> OrbitError:
    """Return the error for a status other than 200."""
    try:
        fault = _read(loose_json(body))
    except ValueError:
        fault = _Fault("", "")
    return _error(status, headers, fault, model, url)


def _error(status: int, headers: Mapping[str, str], fault: _Fault, model: str, url: str) -> OrbitError:
    said = fault.said or f"status {status} without an explanation"
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or _TOO_LONG.search(fault.marks):
        return PromptTooLong(f"the prompt exceeds the model's context: {said}")
    if status == HTTPStatus.PAYMENT_REQUIRED or any(mark in fault.marks.lower() for mark in _NO_MONEY):
        return ProviderError(f"{url} requires payment: {said}")
    if status == HTTPStatus.NOT_FOUND and "model" in fault.marks:
        return ProviderError(f"{url} does not have the model '{model}': {said}", kind="not_found")
    return error_of_status(status, headers, said, fault.marks, url, _SENTENCES)


def frame_error(frame: Any, model: str, url: str) -> OrbitError:
    """Return the error that a server reports within a stream that began with status 200."""
    fault = _read(frame)
    if fault.status is not None and fault.status >= HTTPStatus.BAD_REQUEST:
        return _error(fault.status, {}, fault, model, url)
    if _TOO_LONG.search(fault.marks):
        return PromptTooLong(f"the prompt exceeds the model's context: {fault.said}")
    said = f"{url} failed: {fault.said or 'it gave no reason'}"
    return Refused(said, HTTPStatus.OK, fault.marks, kind="failed", retryable=not is_final(fault.marks))


def _unknown(field: str) -> re.Pattern[str]:
    """Match servers' messages about a request field that they do not accept."""
    wrong = r"(not supported|unsupported|not permitted|not allowed|unknown|unrecognized|unexpected|extra)"
    return re.compile(rf"{wrong}[^.]{{0,80}}\b{field}\b|\b{field}\b[^.]{{0,80}}{wrong}", re.IGNORECASE)


QUIRKS: Final = {
    "max_completion_tokens": _unknown("max_tokens"),
    "max_tokens": _unknown("max_completion_tokens"),
    "no stream_options": _unknown("stream_options"),
}
"""Name of a workaround -> the server's message that calls for it."""


def quirk(error: OrbitError, messages: Sequence[Message]) -> str:
    """Return the name of a workaround if a server rejects the form of a request; else an empty text."""
    if not isinstance(error, Refused):
        return ""
    if refuses_system(error.marks) and any(message.role == "system" for message in messages):
        return "no system"
    if error.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        return ""
    return next((name for name, said in QUIRKS.items() if said.search(error.marks)), "")


def not_compatible(url: str, detail: str) -> ProviderError:
    """Return the error for a response that is not in OpenAI's format."""
    return ProviderError(f"{url} does not answer like OpenAI's API ({detail}). Does base_url end in /v1?")


def _read(body: Any) -> _Fault:
    """Read ``{"error": {...}}``, ``{"error": "..."}``, ``{"object": "error", ...}``, ``{"detail": ...}`` and others."""
    if isinstance(body, list) and body:  # Gemini sends a list
        body = body[0]
    error = body
    if isinstance(body, dict):
        error = next((body[name] for name in ("error", "errors", "base_resp") if body.get(name)), body)
    if isinstance(error, list) and error:  # Cloudflare
        error = error[0]
    if isinstance(error, str):
        return _Fault(_sentence(error), error)
    if not isinstance(error, dict):
        return _Fault("", "")
    said = next((error[name] for name in ("message", "detail", "error", "msg", "status_msg") if error.get(name)), "")
    code = error.get("code")
    marks = f"{code} {error.get('type')} {said}"
    if not isinstance(code, int):
        code = HTTPStatus.TOO_MANY_REQUESTS if _BUSY.search(f"{code} {error.get('type')}") else None
    return _Fault(_sentence(said), marks, code)


def _sentence(said: Any) -> str:
    return " ".join(str(said).split())[:500]
