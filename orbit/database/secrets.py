"""The clear form of an API key, and the digest that the database stores."""

from __future__ import annotations

import hashlib
import secrets

MAX_SECRET_CHARS = 256
"""Longest part of a key to digest, in characters; every real key is shorter."""


def generate_secret() -> str:
    """Return a new clear key: ``api_`` and 32 random bytes, URL-safe."""
    return "api_" + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a key in hexadecimal."""
    return hashlib.sha256(secret[:MAX_SECRET_CHARS].encode("utf-8", "surrogatepass")).hexdigest()


def hint_of(secret: str) -> str:
    """Return the end of a key, by which people recognise it."""
    return secret[-4:]
