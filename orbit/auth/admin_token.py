"""The admin token: from the environment, or generated once into a file that only its owner can read."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from orbit.config import Config
from orbit.config.environment import environment
from orbit.errors import ConfigError, Problem

VARIABLE = "ORBIT_ADMIN_TOKEN"
SHORT = 20
"""The server log warns of shorter tokens, in characters."""

logger = logging.getLogger("orbit.admin")


def token_file(config: Config) -> Path:
    """Return the path of the generated token."""
    return config.data_dir / "admin-token"


def read_token(config: Config, variables: Mapping[str, str] | None = None) -> str | None:
    """Return the token, or None if there is none yet. Raises ConfigError for an unusable one."""
    folder = Path(config.source).parent if config.source else Path()
    token = (environment(folder) if variables is None else variables).get(VARIABLE, "").strip()
    if token:
        return _usable(token, VARIABLE)
    try:
        return _usable(token_file(config).read_text("utf-8").strip(), str(token_file(config)))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("", f"the admin token {token_file(config)} cannot be read: {error}.")]) from error


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
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        sentence = "the admin token must be of printable ASCII characters without spaces, as HTTP headers carry them."
        raise ConfigError([Problem(where, sentence)])
    return token


def _write_once(file: Path, token: str) -> bool:
    """Write the whole file atomically; return False if another process was first."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".admin-token-")  # has mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(token + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(name, file)
            return True
        return False
    finally:
        Path(name).unlink()
