"""A server's error responses, as errors of ORBIT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Final

from orbit.errors import FailureKind, OrbitError, PromptTooLong, ProviderError
from orbit.types import GenerateOptions, Message
from orbit.upstreams.addresses import Address
from orbit.upstreams.connections import retry_after
from orbit.upstreams.conversations import refuses_roles, refuses_system
from orbit.upstreams.embedding import too_much

_FINAL: Final = re.compile(
    r"memory|template|not supported|unsupported|not implemented|failed to load|unable to load|invalid", re.IGNORECASE
)
_SAMPLING: Final = (
    *("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "repetition_penalty", "seed", "stop"),
    *("reasoning_effort", "logprobs"),
)
_OF_SCHEMAS: Final = re.compile(r"schema|response_format|grammar|structured|guided|json|format", re.IGNORECASE)
_OF_TOOLS: Final = re.compile(r"\b(tools?|functions?|tool_choice|parallel_tool_calls|tool-call)", re.IGNORECASE)
_OF_PARTS: Final = re.compile(r"image|multi-?modal|vision|modalit|\bfiles?\b|content (type|part)|mmproj", re.IGNORECASE)
_OF_THOUGHTS: Final = re.compile(r"thinking|reasoning", re.IGNORECASE)
_OF_FILTERS: Final = re.compile(
    r"content[_ ]filter|content management policy|data_inspection_failed|content exists risk|inappropriate content"
    r"|usage polic|safety system|prohibited_content|guardrail|\bflagged\b|敏感",
    re.IGNORECASE,
)
"""The refusals of a prompt by Azure, Anthropic, Alibaba, DeepSeek, OpenAI, Google, Bedrock, OpenRouter and Zhipu."""
_REFUSALS: Final = (400, 422)
_TOO_LARGE: Final = (400, 413, 422, 500)
_STATUS: Final[dict[int, tuple[str, FailureKind]]] = {
    HTTPStatus.UNAUTHORIZED: ("{url} rejected the API key. Set `api_key` to a valid one.", "failed"),
    HTTPStatus.FORBIDDEN: ("{url} does not permit this for the API key: {said}", "failed"),
    HTTPStatus.NOT_FOUND: ("{url} does not know that address: {said}", "failed"),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (
        "the proxy before {url} requires a user and a password. Set `proxy` to http://USER:PASSWORD@HOST:PORT.",
        "failed",
    ),
    HTTPStatus.REQUEST_TIMEOUT: ("{url} gave up waiting: {said}", "timeout"),
    HTTPStatus.TOO_MANY_REQUESTS: ("{url} is busy: {said}", "overloaded"),
    HTTPStatus.BAD_GATEWAY: ("{url} has no model server behind it: {said}", "unavailable"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("{url} is busy: {said}", "overloaded"),
    HTTPStatus.GATEWAY_TIMEOUT: ("{url} gave up waiting: {said}", "timeout"),
    529: ("{url} is busy: {said}", "overloaded"),  # "site is overloaded"
}
"""Status -> sentence and kind. Some of them come only from proxies."""
_ROLES = (
    "The model does not accept the roles of these messages in this order. Alternate user and assistant, user first."
)


class Busy(ProviderError):
    """The server is up but asks clients to wait for ``seconds``; None if it does not say how long."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message, kind="overloaded", retryable=True)
        self.seconds = seconds
        if seconds is not None:
            self.retry_after = max(1, ceil(seconds))


class Refused(ProviderError):
    """A server's error response. ``marks`` is all of its text, to search for keywords."""

    def __init__(self, message: str, status: int, marks: str, *, kind: FailureKind, retryable: bool) -> None:
        super().__init__(message, kind=kind, retryable=retryable)
        self.status = status
        self.marks = marks


class WrongCertificate(ProviderError):
    """The certificate is not trusted, or the server does not speak TLS. Waiting does not help."""


def is_too_much(error: OrbitError) -> bool:
    """Return whether a server rejected a text or batch to embed as too large."""
    if isinstance(error, Refused):
        return error.kind == "failed" and error.status in _TOO_LARGE and too_much(error.marks)
    return isinstance(error, PromptTooLong)


def is_final(said: str) -> bool:
    """Return whether an HTTP 500 would happen again a moment later."""
    return _FINAL.search(said) is not None


def error_of_status(  # all that a response says
    status: int, headers: Mapping[str, str], said: str, marks: str, url: str, sentences: Mapping[int, str]
) -> ProviderError:
    """Return the error for a status other than 200, as far as all servers mean the same by it.

    ``said`` is the server's sentence, ``marks`` all of its text. ``sentences`` replace the usual ones by status, with
    ``{url}`` and ``{said}`` in them.
    """
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        moved = Address.parse(headers["Location"]).url if headers.get("Location") else "another address"
        return ProviderError(f"{url} has moved to {moved}; set base_url to that address.")
    own_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR  # the server's fault, which may pass; 4xx is the request's
    otherwise = "{url} failed: {said}" if own_fault else "{url} refused the request: {said}"
    sentence, kind = _STATUS.get(status, (otherwise, "failed"))
    message = sentences.get(status, sentence).format(url=url, said=said)
    if kind == "overloaded":
        return Busy(message, retry_after(headers))
    retryable = kind != "failed" or (own_fault and not is_final(marks))
    return Refused(message, status, marks, kind=kind, retryable=retryable)


def blamed(error: OrbitError, options: GenerateOptions, messages: Sequence[Message] = ()) -> OrbitError:
    """Return an error that names the client's mistake, if the server's response shows one; else ``error`` itself."""
    if not isinstance(error, Refused) or error.kind != "failed":
        return error
    for option, sentence in _mistakes(error, options, messages):
        return ProviderError(error.message, kind="rejected", client=sentence, option=option)
    return error


def _mistakes(error: Refused, options: GenerateOptions, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    """Yield the options that a server's response may blame, and a sentence about each for the client."""
    said = error.marks
    if refuses_roles(said) or refuses_system(said):
        yield "messages", _ROLES
    if _OF_FILTERS.search(said):
        yield "messages", "A content filter of the model's service refuses these messages."
    if error.status not in _REFUSALS and not is_final(said):
        return
    if options.tools and _OF_TOOLS.search(said):
        yield "tools", "The model cannot use these tools in this way."
    if _OF_PARTS.search(said) and any(message.parts for message in messages):
        yield "messages", "The model cannot read the images or files in these messages."
    if options.json_schema is not None and _OF_SCHEMAS.search(said):
        yield "json_schema", "The model cannot follow this JSON schema."
    if options.reasoning_effort not in (None, "none") and _OF_THOUGHTS.search(said):
        yield "reasoning_effort", "The model does not let requests choose how much it thinks."
    for name in _SAMPLING:
        option = name.replace("repetition", "repeat")
        if getattr(options, option) not in (None, ()) and re.search(rf"\b{name}\b", said):
            yield option, f"The model does not accept this value of {name}."
