"""The call to the fake upstream, shared by the bare application and the ORBIT plugin of the benchmark."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import msgspec


class Line(msgspec.Struct):
    """One line of the upstream's answer."""

    text: str
    done: bool


_decode = msgspec.json.Decoder(Line).decode


async def generate(session: aiohttp.ClientSession, url: str, prompt: str, *, stream: bool) -> AsyncIterator[str]:
    """Yield the texts of an answer."""
    async with session.post(url, json={"prompt": prompt, "stream": stream}) as response:
        if not stream:
            yield _decode(await response.read()).text
            return
        async for raw in response.content:
            line = _decode(raw)
            if line.text:
                yield line.text
