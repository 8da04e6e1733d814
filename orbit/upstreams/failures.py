"""What a server says when it cannot, as errors of ORBIT."""

from __future__ import annotations

import re
from math import ceil
from typing import Final

from orbit.errors import FailureKind, OrbitError, PromptTooLong, ProviderError
from orbit.types import GenerateOptions
from orbit.upstreams.conversations import refuses_roles, refuses_system
from orbit.upstreams.embedding import too_much

_FINAL: Final = re.compile(
    r"memory|template|not supported|unsupported|not implemented|failed to load|unable to load|invalid", re.IGNORECASE
)
_SAMPLING: Final = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "repetition_penalty", "seed", "stop")
_OF_SCHEMAS: Final = re.compile(r"schema|response_format|grammar|structured|guided|json|format", re.IGNORECASE)
_REFUSALS: Final = (400, 422)
_TOO_LARGE: Final = (400, 413, 422, 500)
_ROLES = "The model cannot take the roles of these messages in their order; they alternate, beginning with the user's."


class Busy(ProviderError):
    """The server is there and asks to be left alone for ``seconds``; None if it does not say how long."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message, kind="overloaded", retryable=True)
        self.seconds = seconds
        if seconds is not None:
            self.retry_after = max(1, ceil(seconds))


class Refused(ProviderError):
    """A server's answer that it will not or cannot, with all that it says: ``marks`` to look for words in."""

    def __init__(self, message: str, status: int, marks: str, *, kind: FailureKind, retryable: bool) -> None:
        super().__init__(message, kind=kind, retryable=retryable)
        self.status = status
        self.marks = marks


class WrongCertificate(ProviderError):
    """A certificate that is not trusted, or a server without TLS, keeps from connecting; waiting does not mend it."""


def is_too_much(error: OrbitError) -> bool:
    """Tell whether a server refused a text or a batch to embed as too large."""
    if isinstance(error, Refused):
        return error.kind == "failed" and error.status in _TOO_LARGE and too_much(error.marks)
    return isinstance(error, PromptTooLong)


def is_final(said: str) -> bool:
    """Tell whether a server's error of its own, a 500, would be the same a moment later."""
    return _FINAL.search(said) is not None


def blamed(error: OrbitError, options: GenerateOptions) -> OrbitError:
    """Return the error that tells a client what it can mend in the request, if that is what a server says."""
    if not isinstance(error, Refused) or error.kind != "failed":
        return error
    said = error.marks
    if refuses_roles(said) or refuses_system(said):
        return ProviderError(error.message, kind="rejected", client=_ROLES)
    if error.status in _REFUSALS or is_final(said):
        if options.json_schema is not None and _OF_SCHEMAS.search(said):
            return ProviderError(error.message, kind="rejected", client="The model cannot use this JSON schema.")
        for name in _SAMPLING:
            asked = getattr(options, name.replace("repetition", "repeat"))
            if asked not in (None, ()) and re.search(rf"\b{name}\b", said):
                return ProviderError(error.message, kind="rejected", client=f"The model refuses this value of {name}.")
    return error
