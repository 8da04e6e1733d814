"""Where the server of a configuration listens, as commands on the same machine reach it, and what they trust."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orbit.config.model import Config

_END = "-----END CERTIFICATE-----"


def url_of(config: Config) -> str:
    """Return the address of the server, such as ``http://127.0.0.1:3000``."""
    general = config.host.general
    host = "127.0.0.1" if general.host in ("0.0.0.0", "::") else general.host  # noqa: S104  # not bound, only compared
    return f"https://{host}:{general.https.port}" if general.https.enabled else f"http://{host}:{general.port}"


def trust_of(config: Config) -> ssl.SSLContext | bool:
    """Return what to trust at that address: the certificate of the configuration itself.

    Nobody but the server of this configuration has its key, whoever signed it and whatever name it is for; it is
    hardly ever for the local address. True, the usual authorities, if there is none that can be read.
    """
    https = config.host.general.https
    if not https.enabled:
        return True
    try:
        first, end, _ = Path(https.cert_file).read_text("ascii").partition(_END)  # the rest are its authorities
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(cadata=first + end)
    except (OSError, ValueError):
        return True
    trusted.check_hostname = False
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not have signed itself
    return trusted


def distrusted(error: BaseException) -> str:
    """Return what to do about a server whose certificate is not trusted; empty if an error is about something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted: {cause.verify_message}. If it is your own, or your organisation's, "
                "name the file that vouches for it: SSL_CERT_FILE=FILE."
            )
        cause = cause.__cause__ or cause.__context__
    return ""
