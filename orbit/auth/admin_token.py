"""The admin token: from the environment, or generated once into a file that only its owner can read."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from orbit.config import Config
from orbit.config.environment import environment
from orbit.errors import ConfigError, Problem

VARIABLE = "ORBIT_ADMIN_TOKEN"
EARLIER_VARIABLE = "API_ADMIN_TOKEN"
"""The variable of the earlier ORBIT. Its server did not read it, so a value that no header carries has no effect."""
SHORT = 20
"""The server log warns of shorter tokens, in characters."""

logger = logging.getLogger("orbit.admin")


def token_file(config: Config) -> Path:
    """Return the path of the generated token."""
    return config.data_dir / "admin-token"


def read_token(config: Config, variables: Mapping[str, str] | None = None) -> str | None:
    """Return the token, or None if there is none yet. Raises ConfigError for an unusable one."""
    if found := from_environment(config, variables):
        return found[1]
    try:
        return _usable(token_file(config).read_text("utf-8").strip(), str(token_file(config)))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("", f"the admin token {token_file(config)} cannot be read: {error}.")]) from error


def from_environment(config: Config, variables: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """Return the variable of the environment or ``.env`` with the token, and the token; it comes before the file."""
    folder = Path(config.source).parent if config.source else Path()
    known = environment(folder) if variables is None else variables
    if token := known.get(VARIABLE, "").strip():
        return VARIABLE, _usable(token, VARIABLE)
    earlier = known.get(EARLIER_VARIABLE, "").strip()
    return (EARLIER_VARIABLE, earlier) if _carried(earlier) else None


def rotate_token(config: Config) -> str:
    """Write a new token to the file and return it. Servers with the old one take it within a second.

    Raises ConfigError if the token comes from the environment, or the file cannot be written.
    """
    if found := from_environment(config):
        sentence = (
            f"the admin token comes from {found[0]} in the environment or .env; change it there and restart the server."
        )
        raise ConfigError([Problem("", sentence)])
    file, token = token_file(config), secrets.token_urlsafe(32)
    try:
        with _written(file, token) as name:
            Path(name).replace(file)
    except OSError as error:
        raise ConfigError([Problem("", f"the admin token {file} cannot be written: {error}.")]) from error
    return token


class TokenInForce:
    """The admin token of a running server, which follows a rotation of the file."""

    def __init__(self, config: Config, variables: Mapping[str, str] | None = None) -> None:
        """Read the token, or generate it. Raises ConfigError."""
        self.value = ensure_token(config, variables)
        self._config = config
        self._file = None if from_environment(config, variables) else token_file(config)
        self._seen = self._signature()

    def renewed(self) -> bool:
        """Read the token again if the file has changed. Return whether the value is another; keep it if unusable."""
        if (seen := self._signature()) == self._seen:
            return False
        self._seen = seen
        try:
            token = read_token(self._config)
        except ConfigError as error:
            logger.error("the admin token is not renewed: %s", error)  # noqa: TRY400  # a sentence for operators
            return False
        if token is None or token == self.value:
            return False
        self.value = token
        logger.info("the admin token was rotated: the one before it and all sign-ins have ended")
        return True

    def _signature(self) -> tuple[int, int]:
        if self._file is None:
            return (0, 0)
        try:
            status = self._file.stat()
        except OSError:
            return (0, 0)
        return (status.st_mtime_ns, status.st_ino)


def ensure_token(config: Config, variables: Mapping[str, str] | None = None) -> str:
    """Return the token, and generate it if there is none; safe for several processes at once."""
    token = read_token(config, variables)
    if token is None:
        file = token_file(config)
        try:
            made = _write_once(file, secrets.token_urlsafe(32))
        except OSError as error:
            raise ConfigError([Problem("", f"the admin token {file} cannot be written: {error}.")]) from error
        if made:
            logger.info("made an admin token: it is in %s", file.absolute())
        return ensure_token(config, variables)
    if len(token) < SHORT:
        logger.warning("the admin token is short; use one of at least %d characters", SHORT)
    return token


def same_token(given: str, token: str) -> bool:
    """Compare in constant time, whatever the length."""
    return hmac.compare_digest(_digest(given), _digest(token))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text[:4096].encode("utf-8", "surrogatepass")).digest()


def _usable(token: str, where: str) -> str:
    if not _carried(token):
        sentence = "the admin token must be of printable ASCII characters without spaces, as HTTP headers carry them."
        raise ConfigError([Problem(where, sentence)])
    return token


def _carried(token: str) -> bool:
    """Whether HTTP headers can carry a token."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _write_once(file: Path, token: str) -> bool:
    """Write the whole file atomically; return False if another process was first."""
    with _written(file, token) as name, contextlib.suppress(FileExistsError):
        os.link(name, file)
        return True
    return False


@contextlib.contextmanager
def _written(file: Path, token: str) -> Iterator[str]:
    """Yield the name of a file beside ``file`` that holds a token, for its owner only; remove it if it is left."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".admin-token-")  # has mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(token + "\n")
        yield name
    finally:
        Path(name).unlink(missing_ok=True)
