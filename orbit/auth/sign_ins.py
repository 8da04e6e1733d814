"""Signed-in sessions of administrators: a signed cookie instead of the admin token in every request.

The cookie is signed with a key derived from the admin token, and nothing is stored while a session runs: all workers,
and all servers with the same token, know it, and a new token ends every session. What a signature cannot tell is that
somebody signed out; that is noted as an empty file in the data folder until the session would have ended anyway.
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
    """Somebody who has shown the admin token, until ``expires_at`` in Unix seconds."""

    id: str
    expires_at: int


class SignIns:
    """Makes sessions, knows them again by their cookie, and ends them."""

    def __init__(self, token: str, folder: Path, seconds: float) -> None:
        """``folder`` keeps notes of who signed out; it is made when the first does."""
        self._key = hmac.digest(token.encode(), b"orbit admin session", "sha256")
        self._folder = folder
        self._seconds = seconds
        # Browsers share cookies between the ports of a host, where another ORBIT may have sessions of its own.
        self.cookie_name = f"{COOKIE_PREFIX}{self._signature('cookie')[:8]}"

    def begin(self) -> SignIn:
        """A new session."""
        return SignIn(secrets.token_urlsafe(16), int(time.time() + self._seconds))

    def cookie_of(self, session: SignIn) -> str:
        """The value of a session's cookie."""
        return f"{session.id}.{session.expires_at}.{self._signature(f'session {session.id} {session.expires_at}')}"

    def find(self, cookie: str) -> SignIn | None:
        """The session of a cookie's value; None if it is forged, over, or was signed out."""
        parts = _FORM.fullmatch(cookie)
        if parts is None:
            return None
        session = SignIn(parts[1], int(parts[2]))
        if not hmac.compare_digest(self.cookie_of(session), cookie) or session.expires_at <= time.time():
            return None
        return None if (self._folder / session.id).exists() else session

    def seconds_left(self, session: SignIn) -> int:
        """How long a session goes on."""
        return max(0, session.expires_at - int(time.time()))

    def csrf_token(self, session: SignIn) -> str:
        """What requests of a session that change something must send along; pages of other sites cannot know it."""
        return self._signature(f"csrf {session.id}")

    def end(self, session: SignIn) -> None:
        """Let nobody use the session any more. Raises OSError if that cannot be noted."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / session.id).touch(mode=0o600)
        over = time.time() - self._seconds
        for note in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                if note.stat().st_mtime < over:
                    note.unlink()

    def _signature(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()
