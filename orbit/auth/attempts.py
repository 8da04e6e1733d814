"""The limit of failed admin attempts by address, for all workers of a machine together."""

from __future__ import annotations

import hmac
import os
import struct
import time
from pathlib import Path

from orbit.system.files import lock, open_private, read_at, write_at

_SLOT = struct.Struct("<d")


class Attempts:
    """Lets each address fail ``burst`` times at once, then once a second.

    Only failures count: the right token always passes, even if others at the same address guess.

    The workers share a file of ``slots`` numbers: the Unix time until which the failures of a slot's addresses block
    new ones. The file's size is fixed, so attackers cannot fill memory or disk. The token decides which addresses share
    a slot, so attackers cannot aim at somebody else's.
    """

    def __init__(self, file: Path, token: str, burst: int = 20, slots: int = 4096) -> None:
        """Create the file if there is none. Raises OSError."""
        self._file = file
        self._key = hmac.digest(token.encode(), b"orbit admin attempts", "sha256")
        self._burst = burst
        self._slots = slots
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = open_private(file)
        try:
            size = slots * _SLOT.size
            if os.fstat(descriptor).st_size < size:
                os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def allow(self, address: str) -> bool:
        """Count a failed attempt of an address; return False if it failed too often or the count cannot be written."""
        digest = hmac.digest(self._key, address.encode(), "sha256")
        place = int.from_bytes(digest[:8], "big") % self._slots * _SLOT.size
        try:
            descriptor = open_private(self._file)  # created again if somebody deleted it
        except OSError:
            return False
        try:
            lock(descriptor)  # no other worker may read before this one has written
            now = time.time()
            (paid_until,) = _SLOT.unpack(read_at(descriptor, _SLOT.size, place).ljust(_SLOT.size, b"\0"))
            ahead = max(0.0, paid_until - now)
            if ahead > self._burst:  # the clock was set back
                ahead = 0.0
            if ahead > self._burst - 1:
                return False
            write_at(descriptor, _SLOT.pack(now + ahead + 1.0), place)
        except OSError:  # a full disk must not lift the limit
            return False
        finally:
            os.close(descriptor)
        return True
