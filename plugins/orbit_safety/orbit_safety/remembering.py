"""A cache of verdicts, so that a frequent question is judged once."""

import hashlib
import time
from collections import OrderedDict

from orbit import Verdict


class Memory:
    """The latest ``size`` verdicts, each for ``seconds``. Texts are stored as digests only."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._verdicts: OrderedDict[bytes, tuple[float, Verdict]] = OrderedDict()

    def get(self, stage: str, text: str) -> Verdict | None:
        """Return the cached verdict on a text; None if there is none."""
        key = _key(stage, text)
        known = self._verdicts.get(key)
        if known is None:
            return None
        until, verdict = known
        if time.monotonic() >= until:
            del self._verdicts[key]
            return None
        self._verdicts.move_to_end(key)
        return verdict

    def put(self, stage: str, text: str, verdict: Verdict) -> None:
        """Cache a verdict, and evict the least recently used one if the cache is full."""
        if self._size < 1 or self._seconds <= 0:
            return
        self._verdicts[_key(stage, text)] = (time.monotonic() + self._seconds, verdict)
        if len(self._verdicts) > self._size:
            self._verdicts.popitem(last=False)


def _key(stage: str, text: str) -> bytes:
    return hashlib.blake2b(f"{stage}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
