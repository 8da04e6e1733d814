"""The address of a configuration's server for commands on the same machine, and the certificate to trust there."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orbit.config.model import Config

_END = "-----END CERTIFICATE-----"


def url_of(config: Config) -> str:
    """Return the address of the server, such as ``http://127.0.0.1:3000``.

    It is the one that the server left in its data folder, which ``--port`` and a new ``general.port`` do not mislead.
    Without one, it is the configured address.
    """
    from orbit.serving.sole_server import address_of_server

    if announced := address_of_server(config.data_dir):
        return announced
    general = config.host.general
    host = "127.0.0.1" if general.host in ("0.0.0.0", "::") else general.host  # noqa: S104  # not bound, only compared
    return f"https://{host}:{general.https.port}" if general.https.enabled else f"http://{host}:{general.port}"


def trust_of(config: Config) -> ssl.SSLContext | bool:
    """Return a context that trusts the certificate of the configuration itself.

    Only this configuration's server has the key of that certificate, so neither its issuer nor its name matters; it
    hardly ever names the local address. Return True, for the usual authorities, if no certificate can be read.
    """
    https = config.host.general.https
    if not https.enabled:
        return True
    try:
        first, end, _ = Path(https.cert_file).read_text("ascii").partition(_END)  # the rest is the chain of its issuers
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(cadata=first + end)
    except (OSError, ValueError):
        return True
    trusted.check_hostname = False
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be self-signed
    return trusted


def distrusted(error: BaseException) -> str:
    """Return what to do about an untrusted certificate; an empty string if the error has another cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted: {cause.verify_message}. If it is your own, or your organisation's, "
                "name the file of the authority that issued it: SSL_CERT_FILE=FILE."
            )
        cause = cause.__cause__ or cause.__context__
    return ""
