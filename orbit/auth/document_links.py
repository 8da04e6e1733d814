"""Seals of links to documents: whoever has the link may read that document for a while, without the API key.

Browsers follow links without headers, so a link carries a proof that a client with the key was given it. The key of the
signature comes from the admin token: every worker recognises a link, nothing is stored, and a new token ends them all.
"""

from __future__ import annotations

import hmac
import time
from urllib.parse import urlencode

from orbit.auth.admin_token import TokenInForce

_ROUND = 3600
"""Links of one hour end together, so that equal links have equal addresses."""


class DocumentLinks:
    """Seals links to documents, and recognises its seals."""

    def __init__(self, token: TokenInForce, seconds: float) -> None:
        """Links last ``seconds``, and up to an hour more. Only they use ``token``, and follow its rotation."""
        self._token = token
        self._seconds = seconds

    def query(self, key_id: str, collection: str, source: str) -> str:
        """Return the query of a link to a document of a collection, for the client with this key."""
        until = (int(time.time()) // _ROUND + 1) * _ROUND + int(self._seconds)
        return urlencode({"key": key_id, "until": until, "seal": self._seal(key_id, collection, source, str(until))})

    def holds(self, key_id: str, collection: str, source: str, until: str, seal: str) -> bool:
        """Whether this is the seal of a link that has not expired."""
        right = self._seal(key_id, collection, source, until)
        if not hmac.compare_digest(right.encode(), seal.encode("utf-8", "replace")):
            return False
        return int(until) > time.time()  # a number, since the seal is right

    def _seal(self, *parts: str) -> str:
        text = "\0".join(("orbit document", *parts)).encode("utf-8", "surrogatepass")
        self._token.renewed()
        return hmac.digest(self._token.value.encode(), text, "sha256").hex()[:43]
