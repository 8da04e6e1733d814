"""The server that authors' tests run: what its methods promise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

import orbit
from orbit.testing import serve


class SlowDiary(orbit.Provider):
    """Takes its time for a record, as a sink does that writes to a slow disk."""

    taken = 0

    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        """Take a record."""
        await asyncio.sleep(0.1)
        self.taken += 1


def test_settle_waits_for_running_turns_and_for_the_records_of_all(tmp_path: Path) -> None:
    config = {"echo": {}, "slow": {}, "general": {"inference_provider": "echo"}}
    with serve(config, tmp_path, {"slow": SlowDiary}) as server:
        asked = {"message": "hello", "stream": False}
        for _ in range(3):
            httpx.post(f"{server.url}/chat", json=asked, headers={"X-API-Key": server.key}).raise_for_status()
        server.settle()
        assert server.provider("slow").taken == 3
