"""The clear form of an API key, and what is stored instead of it."""

from __future__ import annotations

import hashlib
import secrets

MAX_SECRET_CHARS = 256
"""Characters of a presented key that are looked at; more than any key has."""


def generate_secret() -> str:
    """A new clear key: ``api_`` and 32 random bytes, URL-safe."""
    return "api_" + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """The SHA-256 of a key in hexadecimal: what is stored instead of it."""
    return hashlib.sha256(secret[:MAX_SECRET_CHARS].encode("utf-8", "surrogatepass")).hexdigest()


def hint_of(secret: str) -> str:
    """The end of a key, by which people recognise it."""
    return secret[-4:]
