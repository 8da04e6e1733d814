"""Sign-ins of administrators: a signed cookie instead of the admin token in every request.

The key of the signature comes from the admin token, so every worker, and every server with the same token, recognises a
sign-in without storing it, and a new token ends them all. Only a sign-out needs storage: an empty file in the data
folder, kept until the sign-in would have expired.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets
import time
from pathlib import Path

import msgspec

_FORM = re.compile(r"([\w-]{22})\.(\d{1,12})\.([0-9a-f]{64})", re.ASCII)

COOKIE_PREFIX = "orbit_admin_"


class SignIn(msgspec.Struct, frozen=True):
    """Proof that somebody gave the admin token, valid until ``expires_at`` (Unix seconds)."""

    id: str
    expires_at: int


class SignIns:
    """Begins sign-ins, recognises them by their cookie, and ends them."""

    def __init__(self, token: str, folder: Path, seconds: float) -> None:
        """``folder`` records who signed out; the first sign-out creates it. A sign-in lasts ``seconds``."""
        self._folder = folder
        self._seconds = seconds
        self.follow(token)

    def follow(self, token: str) -> None:
        """Sign with another admin token from now on, which ends all sign-ins."""
        self._key = hmac.digest(token.encode(), b"orbit admin session", "sha256")
        # Browsers share cookies between the ports of a host, where another ORBIT may have sign-ins of its own.
        self.cookie_name = f"{COOKIE_PREFIX}{self._signature('cookie')[:8]}"

    def begin(self) -> SignIn:
        """Return a new sign-in."""
        return SignIn(secrets.token_urlsafe(16), int(time.time() + self._seconds))

    def cookie_of(self, sign_in: SignIn) -> str:
        """Return the value of a sign-in's cookie."""
        return f"{sign_in.id}.{sign_in.expires_at}.{self._signature(f'session {sign_in.id} {sign_in.expires_at}')}"

    def find(self, cookie: str) -> SignIn | None:
        """Return the sign-in of a cookie's value, or None if it is forged, expired or signed out."""
        parts = _FORM.fullmatch(cookie)
        if parts is None:
            return None
        sign_in = SignIn(parts[1], int(parts[2]))
        if not hmac.compare_digest(self.cookie_of(sign_in), cookie) or sign_in.expires_at <= time.time():
            return None
        return None if (self._folder / sign_in.id).exists() else sign_in

    def seconds_left(self, sign_in: SignIn) -> int:
        """Return how many seconds a sign-in still lasts."""
        return max(0, sign_in.expires_at - int(time.time()))

    def csrf_token(self, sign_in: SignIn) -> str:
        """Return the token that changing requests must send; pages of other sites cannot know it."""
        return self._signature(f"csrf {sign_in.id}")

    def end(self, sign_in: SignIn) -> None:
        """End a sign-in for everybody who has its cookie. Raises OSError if that cannot be recorded."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / sign_in.id).touch(mode=0o600)
        over = time.time() - self._seconds
        for note in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                if note.stat().st_mtime < over:
                    note.unlink()

    def _signature(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()
