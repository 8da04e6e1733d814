"""Computes while it is imported."""

import time

from wrong_kit import Right

import orbit

TABLE: list[int] = []
_END = time.process_time() + 0.5
while time.process_time() < _END:
    TABLE.append(len(TABLE))


class Slow(Right):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        pass
