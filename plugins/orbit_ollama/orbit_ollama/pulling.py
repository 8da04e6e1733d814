"""Downloads models, with a progress bar on terminals and log lines elsewhere."""

import logging
import sys
from collections.abc import AsyncIterator

logger = logging.getLogger("orbit.ollama")

_TENTHS = 10


async def follow(model: str, url: str, steps: AsyncIterator[tuple[str, int, int]]) -> None:
    """Show the progress of a download until it is complete; ``steps`` come from ``Client.pull``."""
    if sys.stderr.isatty():
        await _bar(model, steps)
    else:
        await _log(model, url, steps)


async def _bar(model: str, steps: AsyncIterator[tuple[str, int, int]]) -> None:
    from rich.console import Console  # noqa: PLC0415  # only when something is downloaded
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415  # s.a.

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"Pulling {model}", total=None)
        async for status, completed, total in steps:
            progress.update(bar, description=f"{model}: {status[:40]}", completed=completed, total=total or None)


async def _log(model: str, url: str, steps: AsyncIterator[tuple[str, int, int]]) -> None:
    logger.info("Pulling %s on %s", model, url)
    layer, tenth = "", 0
    async for status, completed, total in steps:
        if status != layer:
            layer, tenth = status, 0
        reached = completed * _TENTHS // total if total else 0
        if reached > tenth:
            tenth = reached
            logger.info("%s: %s %d %%", model, status, 100 * completed // total)
    logger.info("Pulled %s on %s", model, url)
