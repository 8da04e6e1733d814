"""Failed attempts to administer, by address: counted by all workers of a machine together."""

from __future__ import annotations

import fcntl
import hmac
import os
import struct
import time
from pathlib import Path

_SLOT = struct.Struct("<d")


class Attempts:
    """An address may fail ``burst`` times at once, then once each second.

    Only failures count: whoever has the right token passes, even where others of the same address guess.

    The workers share a small file with ``slots`` numbers: until when, in Unix seconds, the failures of the addresses
    that share the slot are paid for. Its size is fixed, so neither the memory nor the disk can be filled from outside,
    and which addresses share a slot depends on the token, so nobody can aim at another's.
    """

    def __init__(self, file: Path, token: str, burst: int = 20, slots: int = 4096) -> None:
        """Make the file if there is none. Raises OSError."""
        self._file = file
        self._key = hmac.digest(token.encode(), b"orbit admin attempts", "sha256")
        self._burst = burst
        self._slots = slots
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = slots * _SLOT.size
            if os.fstat(descriptor).st_size < size:
                os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def allow(self, address: str) -> bool:
        """Count a failed attempt of an address; False if it has failed too often, or that cannot be counted."""
        digest = hmac.digest(self._key, address.encode(), "sha256")
        place = int.from_bytes(digest[:8], "big") % self._slots * _SLOT.size
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)  # made again if somebody deleted it
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # no other worker may look between this look and the note
            now = time.time()
            (paid_until,) = _SLOT.unpack(os.pread(descriptor, _SLOT.size, place).ljust(_SLOT.size, b"\0"))
            ahead = max(0.0, paid_until - now)
            if ahead > self._burst:  # the clock was set back
                ahead = 0.0
            if ahead > self._burst - 1:
                return False
            os.pwrite(descriptor, _SLOT.pack(now + ahead + 1.0), place)
        except OSError:  # a full disk is no way around the limit
            return False
        finally:
            os.close(descriptor)
        return True
