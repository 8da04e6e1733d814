"""Converts exceptions of Chroma and its HTTP client to ORBIT's errors."""

from __future__ import annotations

import orbit
from orbit.upstreams import WrongCertificate, system_reason, tls_reason


class Missing(orbit.ProviderError):
    """Chroma has no such collection."""


def translate(error: BaseException, where: str) -> BaseException:  # noqa: PLR0911 - one for each kind
    """Return the error to raise instead of ``error``; ``where`` is the database's name in messages.

    Cancellation, interrupts and ORBIT's own errors pass unchanged. A panic in Chroma's native code arrives as a
    BaseException and becomes an ordinary failure.
    """
    import httpx  # noqa: PLC0415 - importing a plugin stays light
    from chromadb import errors  # noqa: PLC0415 - the same

    panic = type(error).__name__ == "PanicException"
    if isinstance(error, orbit.OrbitError) or not (panic or isinstance(error, Exception)):
        return error
    if isinstance(error, ValueError) and isinstance(error.__context__, httpx.TransportError):
        error = error.__context__  # Chroma's client reports "could not connect" as a ValueError
    sentence = str(error).strip() or type(error).__name__
    match error:
        case httpx.TimeoutException():
            return orbit.ProviderError(f"{where} does not answer in time", kind="timeout", retryable=True)
        case httpx.TransportError() if tls_reason(error):
            return WrongCertificate(f"{where} cannot be reached: {tls_reason(error)}")
        case httpx.TransportError():
            way = " via the proxy" if isinstance(error, httpx.ProxyError) else ""
            reason = system_reason(error) or sentence
            return orbit.ProviderError(f"{where} cannot be reached{way}: {reason}", kind="unavailable", retryable=True)
        case errors.NotFoundError():
            return Missing(sentence, kind="not_found")
        case errors.RateLimitError():
            return orbit.ProviderError(f"{where} is busy: {sentence}", kind="overloaded", retryable=True)
        case errors.ChromaAuthError() | errors.AuthorizationError():
            return orbit.ProviderError(f"{where} rejected the credentials; set them under headers")
        case _:
            return orbit.ProviderError(f"{where} failed: {sentence}")
