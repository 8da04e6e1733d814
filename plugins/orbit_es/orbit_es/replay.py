"""Executes ``orbit logs replay``: resends records from the files, or the dead letters."""

from __future__ import annotations

import contextlib
import logging

from orbit_es.delivery import Delivery
from orbit_es.progress import Progress

_log = logging.getLogger(__name__)


def replay_if_asked(delivery: Delivery, progress: Progress) -> None:
    """Go back in the log to the requested time. Records that are already stored are not stored twice."""
    since = progress.folder.replay_since()
    if since is None:
        return
    spool = progress.spool
    with contextlib.suppress(OSError):
        spool.look()
    lines = spool.rewind(since)
    delivery.unsure = True
    progress.save()
    try:
        progress.refusals.drop(spool.awaits)  # those that are rejected again come back
    except OSError as error:
        _log.warning("Dead letters that are rejected again will be there twice: %s", error.strerror)
    progress.folder.end_replay()
    _log.info("Replaying the chat log: sending the missing ones of %d records", lines)


async def resend_if_asked(delivery: Delivery, progress: Progress) -> None:
    """Send the dead letters again; those that are rejected again stay."""
    if not progress.folder.wants_dead_letters():
        return
    delivery.unsure = True
    try:
        await progress.refusals.send_again(delivery.deliver_again)
    except OSError as error:
        _log.error("The dead letters in %s cannot be sent again: %s", progress.folder.path, error.strerror)
    progress.save()
    progress.folder.end_dead_letters()
