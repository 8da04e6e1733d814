"""Errors of a server, as ORBIT's errors. Pure functions, without connections."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from orbit import OrbitError, PromptTooLong, ProviderError
from orbit.upstreams import Refused, error_of_status, loose_json

_TOO_LONG: Final = re.compile(
    r"prompt is too long|exceeds? .{0,40}context|context (window|limit|length)|too many (input )?tokens", re.IGNORECASE
)
_NO_MONEY: Final = re.compile(r"credit balance|billing|spend limit", re.IGNORECASE)
_STATUS_OF_TYPE: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The statuses that belong to the types of errors, for errors within a stream."""
_SENTENCES: Final[dict[int, str]] = {
    HTTPStatus.NOT_FOUND: "{url} does not know that address: {said}. base_url must not end in /v1.",
}
"""Status -> sentence, where it is not the usual one."""


class _Fault(NamedTuple):
    """The type and the message of an error."""

    type: str
    said: str


def status_error(status: int, headers: Mapping[str, str], body: bytes, model: str, url: str) -> OrbitError:
    """Return the error for a status other than 200."""
    try:
        fault = _read(loose_json(body))
    except ValueError:
        fault = _Fault("", "")
    return _error(status, headers, fault, model, url)


def event_error(event: Any, model: str, url: str) -> OrbitError:
    """Return the error that a server reports within a stream that began with status 200."""
    fault = _read(event)
    return _error(_STATUS_OF_TYPE.get(fault.type, 500), {}, fault, model, url)


def _error(status: int, headers: Mapping[str, str], fault: _Fault, model: str, url: str) -> OrbitError:
    said, marks = fault.said or f"status {status} without an explanation", f"{fault.type} {fault.said}"
    own_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (not own_fault and _TOO_LONG.search(fault.said)):
        return PromptTooLong(f"the prompt exceeds the model's context: {said}")
    if status == HTTPStatus.PAYMENT_REQUIRED or (not own_fault and _NO_MONEY.search(marks)):
        return ProviderError(f"{url} requires payment: {said}")
    if status == HTTPStatus.NOT_FOUND and "model" in fault.said:
        return ProviderError(f"{url} does not have the model '{model}': {said}", kind="not_found")
    return error_of_status(status, headers, said, marks, url, _SENTENCES)


def not_compatible(url: str, detail: str) -> ProviderError:
    """Return the error for a response that is not in the form of Anthropic's API."""
    return ProviderError(f"{url} does not answer like Anthropic's Messages API ({detail}). Check base_url.")


def refused_form(error: OrbitError, *, adaptive: bool) -> bool:
    """Return whether a server refuses the form in which a request asks for thoughts."""
    if not isinstance(error, Refused) or error.status != HTTPStatus.BAD_REQUEST:
        return False
    said = error.marks.lower()
    return ("thinking" in said and ("adaptive" in said or (adaptive and "type" in said))) or (
        adaptive and "effort" in said
    )


def refused_thoughts(error: OrbitError) -> bool:
    """Return whether a server does not accept the thoughts that a conversation brings back."""
    if not isinstance(error, Refused) or error.status != HTTPStatus.BAD_REQUEST:
        return False
    return re.search(r"signature|redacted_thinking|thinking.{0,20} blocks? ", error.marks) is not None


def _read(body: Any) -> _Fault:
    """Read ``{"type": "error", "error": {"type", "message"}}``, and what gateways make of it."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        said = error.get("message") or error.get("detail") or ""
        return _Fault(str(error.get("type") or ""), " ".join(str(said).split())[:500])
    return _Fault("", " ".join(error.split())[:500] if isinstance(error, str) else "")
