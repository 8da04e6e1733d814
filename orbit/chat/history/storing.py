"""Stores an answered turn in the database, for conversations and for responses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Final

from orbit.chat.ticker import Ticker
from orbit.chat.turn import Turn, in_time
from orbit.database.keys import UnknownKey
from orbit.errors import OrbitError

logger: Final = logging.getLogger("orbit.conversations")


async def store(turn: Turn, adding: Awaitable[None], ticker: Ticker, failure: str) -> bool:
    """Store a turn. Returns whether that worked: a database error spoils no answer, and is logged after ``failure``."""
    try:
        await in_time(turn.context, adding, ticker)
    except UnknownKey:  # somebody deleted the key meanwhile, and all of it that was stored
        return False
    except OrbitError as error:
        logger.warning("%s: %s", failure, error)
        return False
    return True
