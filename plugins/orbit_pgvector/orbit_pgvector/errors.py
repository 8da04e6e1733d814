"""Converts exceptions of the PostgreSQL client to ORBIT's errors."""

from __future__ import annotations

import orbit
from orbit.upstreams import WrongCertificate, system_reason, tls_reason


class Dropped(orbit.ProviderError):
    """A table is gone: its collection was dropped or replaced after it was found."""


def translate(error: Exception, where: str) -> Exception:  # noqa: PLR0911 - one for each kind
    """Return the error to raise instead of ``error``; ``where`` is the server's name in messages."""
    import asyncpg  # noqa: PLC0415 - importing a plugin stays light
    from asyncpg import exceptions  # noqa: PLC0415 - the same

    if isinstance(error, orbit.OrbitError):
        return error
    sentence = (str(error).strip() or type(error).__name__).partition("\n")[0]
    if reason := tls_reason(error):
        return WrongCertificate(f"{where} cannot be reached: {reason}")
    match error:
        case TimeoutError() | exceptions.QueryCanceledError():
            return orbit.ProviderError(f"{where} does not answer in time", kind="timeout", retryable=True)
        case exceptions.InsufficientResourcesError() | exceptions.LockNotAvailableError():
            return orbit.ProviderError(f"{where} is busy: {sentence}", kind="overloaded", retryable=True)
        case ConnectionError() if "rejected SSL" in sentence:
            return orbit.ProviderError(f"{where} does not speak TLS; turn it on there, or set ssl: false")
        case exceptions.InvalidAuthorizationSpecificationError():
            return orbit.ProviderError(f"{where} rejected the credentials; set user and password")
        case exceptions.UndefinedTableError():
            return Dropped(f"{where} failed: {sentence}")
        case exceptions.InvalidCatalogNameError():
            return orbit.ProviderError(f"{where} has no such database: {sentence}")
        case (
            OSError()
            | exceptions.PostgresConnectionError()
            | exceptions.OperatorInterventionError()
            | exceptions.TransactionRollbackError()
            | asyncpg.InterfaceError()
        ):
            reason = system_reason(error) or sentence
            return orbit.ProviderError(f"{where} cannot be reached: {reason}", kind="unavailable", retryable=True)
        case _:
            return orbit.ProviderError(f"{where} failed: {sentence}")
