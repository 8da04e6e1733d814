"""Starts something while it is imported."""

import threading

from wrong_kit import Right

import orbit

threading.Thread(target=threading.Event().wait, args=(0.2,), daemon=True).start()


class Busy(Right):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        pass
