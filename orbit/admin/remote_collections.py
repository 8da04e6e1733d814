"""Administration of a running server's collections, over its HTTP API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from orbit.admin.client import Refused, RemoteAdministration, Unreachable, part
from orbit.admin.collections import (
    CollectionDetails,
    CollectionInfo,
    CopyProgress,
    DocumentPage,
    Moved,
    NewName,
    Tell,
)


class _Library(msgspec.Struct, frozen=True):
    collections: list[CollectionInfo]


class RemoteCollections(RemoteAdministration):
    """``Collections`` by a running server. Open it with ``async with``."""

    async def every(self) -> list[CollectionInfo]:
        """Return all collections, by name."""
        return (await self._ask("GET", "/admin/collections", _Library)).collections

    async def show(self, name: str) -> CollectionDetails:
        """Return one collection in full."""
        return await self._ask("GET", f"/admin/collections/{part(name)}", CollectionDetails)

    async def documents(self, name: str, contains: str = "", after: str = "", limit: int = 1000) -> DocumentPage:
        """Return documents of a collection, by name."""
        query = f"contains={part(contains)}&after={part(after)}&limit={limit}"
        return await self._ask("GET", f"/admin/collections/{part(name)}/documents?{query}", DocumentPage)

    async def remove(self, name: str, sources: Sequence[str]) -> int:
        """Delete the passages of some documents, and return how many of these there were."""
        for source in sources:
            await self._ask("DELETE", f"/admin/collections/{part(name)}/documents?source={part(source)}", dict)
        return len(sources)

    async def drop(self, name: str) -> None:
        """Delete a collection."""
        await self._ask("DELETE", f"/admin/collections/{part(name)}?confirm={part(name)}", dict)

    async def rename(self, name: str, new_name: str) -> Moved:
        """Rename a collection; keys that name it follow."""
        return await self._ask("POST", f"/admin/collections/{part(name)}/rename", Moved, NewName(new_name))

    async def copy(self, name: str, target: str, tell: Tell | None = None) -> Moved:
        """Copy a collection, in the embedding that the server uses."""
        return await self._follow(f"/admin/collections/{part(name)}/copy", tell, NewName(target))

    async def re_embed(self, name: str, tell: Tell | None = None) -> Moved:
        """Give a collection vectors of the embedding that the server uses."""
        return await self._follow(f"/admin/collections/{part(name)}/re-embed", tell)

    async def _follow(self, path: str, tell: Tell | None, body: Any = None) -> Moved:
        """Send a request, pass its progress on, and return the result."""
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            async with self._http.stream("POST", path, content=content, headers=headers) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._failure(response)
                async for line in response.aiter_lines():
                    told = msgspec.json.decode(line, type=dict)
                    event = told.pop("event", "")
                    if event == "summary":
                        return msgspec.convert(told, Moved)
                    if event == "error":
                        raise Refused(str(told["problem"]["detail"]), str(told["problem"]["code"]))
                    if tell is not None:
                        tell(msgspec.convert(told, CopyProgress))
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError) as error:
            raise Unreachable(f"{self._url} cannot be reached: {error or type(error).__name__}") from error
        raise Unreachable(f"{self._url} stopped before it was done. Run the same command again: it goes on there.")
