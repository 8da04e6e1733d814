"""TLS settings, reasons of failed connections, and ``Retry-After``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orbit.errors import ConfigError

if TYPE_CHECKING:
    import ssl


def tls_problems(ca_certs: str, *, verify_certs: bool) -> Iterator[str]:
    """Yield sentences about TLS settings that cannot work."""
    if not ca_certs:
        return
    if not verify_certs:
        yield "ca_certs has no effect with verify_certs: false. Keep one of them."
    try:
        tls_context(ca_certs)
    except ConfigError as error:
        yield str(error)


def tls_context(ca_certs: str = "", *, verify_certs: bool = True) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates in ``ca_certs``, by default the system's authorities.

    Raises ConfigError if the file cannot be used.
    """
    import ssl  # noqa: PLC0415  # importing a plugin stays light

    file = Path(ca_certs).expanduser() if ca_certs else None
    if file is not None and file.is_dir():
        raise ConfigError(f"ca_certs: '{ca_certs}' is a folder; name a file in PEM form.")
    try:
        context = ssl.create_default_context(cafile=None if file is None else str(file))
    except ssl.SSLError as error:
        raise ConfigError(f"ca_certs: '{ca_certs}' contains no certificate in PEM form.") from error
    except FileNotFoundError as error:
        raise ConfigError(f"ca_certs: the file '{ca_certs}' does not exist.") from error
    except OSError as error:
        raise ConfigError(f"ca_certs: '{ca_certs}' cannot be read: {error.strerror}.") from error
    if not verify_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


_LONGEST_WAIT: Final = 86_400.0
"""Longest time that a server may ask for, in seconds."""
_OF_CERTIFICATES: Final = {
    10: "Renew it on the server.",
    18: "Set ca_certs to a file with this certificate.",
    19: "Set ca_certs to the certificate of the authority that signed it.",
    20: "Set ca_certs to the certificate of the authority that signed it.",
    21: "Set ca_certs to the certificate of the authority that signed it.",
    62: "Use a host name that the certificate covers.",
    64: "Use a host name that the certificate covers.",
}
"""OpenSSL's verification error code -> how to fix it."""


def is_of_tls(error: BaseException) -> bool:
    """Return whether a connection failed because of its certificate or protocol, so that waiting would not help."""
    import ssl  # noqa: PLC0415  # importing a plugin stays light

    return isinstance(error, ssl.SSLError)


def tls_reason(error: BaseException | None) -> str:
    """Return the TLS fault behind an error; empty if there is none."""
    return next((failed_connection(one) for one in _behind(error) if is_of_tls(one)), "")


def system_reason(error: BaseException | None) -> str:
    """Return the system's message behind an error, such as that of a refused connection; empty if there is none."""
    return next((failed_connection(one) for one in _behind(error) if isinstance(one, OSError) and one.errno), "")


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that libraries have wrapped in it."""
    while error is not None:
        yield error
        lists = [found for name in ("errors", "exceptions") if isinstance(found := getattr(error, name, ()), Sequence)]
        nested = next((one for found in lists for one in found if isinstance(one, BaseException)), None)
        error = nested or error.__cause__ or error.__context__


def failed_connection(error: BaseException) -> str:
    """Return why a connection failed, as a phrase with a full stop: the certificate's fault, or the system's message.

    Event loops put their own wording into errors; the system's message replaces it.
    """
    import ssl  # noqa: PLC0415  # importing a plugin stays light

    error = getattr(error, "os_error", error)  # aiohttp wraps it
    if isinstance(error, ssl.SSLCertVerificationError):
        mend = _OF_CERTIFICATES.get(error.verify_code, "")
        return f"certificate verify failed: {error.verify_message.rstrip('.')}. {mend}".rstrip()
    if isinstance(error, ssl.SSLError):
        if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
            return "the server does not speak TLS. Write http:// if that is intended."
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}."
    if not isinstance(error, OSError):
        return f"{str(error) or type(error).__name__}."
    known = error.errno is not None and error.errno > 0  # name resolution errors have negative numbers
    return f"{os.strerror(error.errno or 0) if known else error.strerror or str(error)}."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks clients to wait, at most a day; None if it gives none."""
    milliseconds, seconds = headers.get("retry-after-ms"), headers.get("Retry-After")
    try:
        if milliseconds is not None:
            return _bounded(float(milliseconds) / 1000)
        return None if seconds is None else _bounded(float(seconds))
    except ValueError:
        pass
    try:
        at, now = parsedate_to_datetime(seconds or ""), parsedate_to_datetime(headers.get("Date") or "")
        return _bounded((at - now).total_seconds())
    except (ValueError, TypeError, OverflowError):  # TypeError: only one of the times has a zone
        return None


def _bounded(seconds: float) -> float | None:
    return None if isnan(seconds) else min(max(0.0, seconds), _LONGEST_WAIT)
