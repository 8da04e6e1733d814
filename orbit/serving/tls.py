"""TLS: checks the certificate before the start and reloads it while the server runs."""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path
from typing import TypeAlias

from orbit.config.model import General, Https
from orbit.errors import ConfigError, Problem

logger = logging.getLogger("orbit.tls")

_Signature: TypeAlias = tuple[tuple[int, int, int], ...]


class Certificate:
    """A certificate chain and its key, in two PEM files that may be replaced at any time.

    ``context`` is for the listening socket. Each handshake uses the newest valid pair, so a renewal drops no connection
    and a broken pair changes nothing. One that clients refuse for its dates waits while the one before is valid.
    """

    def __init__(self, settings: Https) -> None:
        """Load the files. Raises ConfigError if they are unusable."""
        self._settings = settings
        self._seen = self._waiting = self._signature()
        self._newest = _load(settings)
        self._dates = validity(settings.cert_file)
        self._warn()
        self.context = _load(settings)
        self.context.sni_callback = self._choose

    def follow(self, settings: Https) -> None:
        """Use other files, which the check of the configuration has found usable, or the same ones as they are now."""
        self._settings = settings
        self.refresh()

    def refresh(self) -> bool:
        """Load the files if they have changed. Returns whether a new certificate is in use."""
        signature = self._signature()
        if signature == self._seen:
            return False
        try:
            newest = _load(self._settings)
        except ConfigError as error:
            self._seen = signature  # report a broken pair once, and try again when it changes
            for problem in error.problems:
                self._keep(str(problem))
            return False
        outdated = outdated_certificate(self._settings)
        if outdated and not _fault(self._dates):
            if signature != self._waiting:
                self._waiting = signature
                self._keep(outdated)
            return False  # and look again: the clock may make it valid, or the one before invalid
        self._seen, self._newest, self._dates = signature, newest, validity(self._settings.cert_file)
        logger.info("the renewed certificate %s is in force", self._settings.cert_file)
        self._warn()
        return True

    def _keep(self, reason: str) -> None:
        logger.error("the renewed certificate is not used, the one before it stays in force: %s", reason)

    def _warn(self) -> None:
        if outdated := outdated_certificate(self._settings):
            logger.warning("%s", outdated)

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:  # noqa: ARG002  # OpenSSL's signature
        connection.context = self._newest

    def _signature(self) -> _Signature:
        marks = []
        for file in (self._settings.cert_file, self._settings.key_file):
            try:
                status = Path(file).stat()
            except OSError:
                marks.append((0, 0, 0))
            else:
                marks.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(marks)


def tls_problems(general: General) -> list[Problem]:
    """Return what is wrong with ``general.https``. Reads its files, opens no socket."""
    settings = general.https
    problems: list[Problem] = []
    if settings.acme_folder and not Path(settings.acme_folder).is_dir():
        problems.append(
            Problem(
                "general.https.acme_folder", f"there is no folder {settings.acme_folder}; make it, or leave it out."
            )
        )
    if not settings.enabled:
        if settings.redirect_http:
            problems.append(
                Problem("general.https.redirect_http", "leads nowhere while general.https.enabled is false.")
            )
        return problems
    if settings.port == general.port and settings.port:
        problems.append(
            Problem("general.https.port", f"{settings.port} is general.port already; HTTPS needs another port.")
        )
    try:
        _load(settings)
    except ConfigError as error:
        problems += error.problems
    return problems


def validity(file: str) -> tuple[float, float] | None:
    """Return when the first certificate of a file begins and ends to be valid, in Unix seconds; None if unreadable."""
    decode = ssl._ssl._test_decode_cert  # type: ignore[attr-defined]  # noqa: SLF001  # the only decoder of the library
    try:
        decoded = decode(file)
        return ssl.cert_time_to_seconds(decoded["notBefore"]), ssl.cert_time_to_seconds(decoded["notAfter"])
    except (ssl.SSLError, OSError, ValueError):
        return None


def outdated_certificate(settings: Https) -> str:
    """Return why clients refuse the certificate today, in one sentence; empty if they do not for its dates."""
    fault = _fault(validity(settings.cert_file) if settings.enabled else None)
    if not fault:
        return ""
    return f"general.https.cert_file: {settings.cert_file} {fault}, so clients refuse it; renew it, or set the clock."


def _fault(dates: tuple[float, float] | None) -> str:
    if dates is None or dates[0] <= time.time() <= dates[1]:
        return ""
    begins, ends = (time.strftime("%Y-%m-%d", time.gmtime(date)) for date in dates)
    return f"has expired on {ends}" if dates[1] < time.time() else f"is not valid before {begins}"


def _load(settings: Https) -> ssl.SSLContext:
    """Return a server's TLS context. Raises ConfigError with every problem of the two files."""
    problems = [
        *_file_problems("cert_file", settings.cert_file, "-----BEGIN CERTIFICATE-----", "the certificate chain"),
        *_file_problems("key_file", settings.key_file, "PRIVATE KEY-----", "the private key"),
    ]
    if problems:
        raise ConfigError(problems)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    encrypted: list[bool] = []

    def no_password() -> str:  # without it OpenSSL would ask on the terminal
        encrypted.append(True)
        return ""

    try:
        context.load_cert_chain(settings.cert_file, settings.key_file, no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigError([_explain(error, settings, encrypted=bool(encrypted))]) from error
    return context


def _file_problems(setting: str, file: str, mark: str, content: str) -> list[Problem]:
    path = f"general.https.{setting}"
    if not file:
        return [Problem(path, f"is missing: HTTPS needs a PEM file with {content}.")]
    try:
        text = Path(file).read_text("latin-1")
    except OSError as error:
        return [Problem(path, f"{file} cannot be read: {error.strerror or error}.")]
    if mark not in text:
        return [Problem(path, f"{file} does not hold {content} in PEM form.")]
    return []


def _explain(error: Exception, settings: Https, *, encrypted: bool) -> Problem:
    key = "general.https.key_file"
    if encrypted:
        return Problem(key, f"{settings.key_file} is encrypted; ORBIT needs a key without a passphrase.")
    if getattr(error, "reason", None) in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return Problem(key, f"{settings.key_file} is not the key of the certificate in {settings.cert_file}.")
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    return Problem(
        "general.https", f"{settings.cert_file} and {settings.key_file} cannot be used: {str(reason).lower()}."
    )
