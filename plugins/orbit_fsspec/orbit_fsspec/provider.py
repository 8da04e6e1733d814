"""The connector: lists the files of a file system and fetches those that changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

import orbit
from orbit.filters import facts_problem
from orbit.upstreams import system_reason
from orbit_fsspec.filesystems import Place, close, opened, problem_of
from orbit_fsspec.listing import Listed, Patterns, files_below
from orbit_fsspec.settings import FsspecSettings

T = TypeVar("T")
_END = object()


class FsspecProvider(orbit.Provider):
    """Files of a folder, a bucket or a server."""

    ORBIT_API = 2
    Settings = FsspecSettings
    settings: FsspecSettings

    def validate(self) -> Iterable[str]:
        """Check the address without connecting."""
        if problem := problem_of(self.settings.url):
            yield problem
        if self.settings.link and "{name}" not in self.settings.link:
            yield "link does not contain {name}, so all files would have the same address"
        if problem := facts_problem(self.settings.metadata, self.settings.readers):
            yield problem

    def remarks(self) -> Iterable[str]:
        """Yield a sentence if there is no such folder on this machine now."""
        url = self.settings.url
        if "://" not in url and not Path(url).expanduser().is_dir():
            yield f"url: there is no folder {url} now; orbit sync fails until there is one"

    @orbit.hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[orbit.Fetched]:
        """Yield the files below the address. An error while listing ends the run, so that nothing is removed."""
        settings = self.settings
        patterns = Patterns(settings.include, settings.exclude, hidden=settings.hidden)
        place = None
        try:
            place = await asyncio.to_thread(opened, settings.url, {**settings.options, **settings.credentials})
            listed = files_below(place, patterns)
            count = 0
            while isinstance(file := await asyncio.to_thread(next, listed, _END), Listed):
                count += 1
                if count > settings.max_files:
                    raise orbit.ProviderError(f"{self._shown} has more than {settings.max_files} files (max_files).")
                yield self._with_facts(await self._fetched(place, self._versioned(file), known, limit))
        except orbit.OrbitError:
            raise
        except Exception as error:
            raise self._failure(error) from error
        finally:
            if place is not None:
                await asyncio.to_thread(close, place)

    async def _fetched(self, place: Place, file: Listed, known: Mapping[str, str], limit: int) -> orbit.Fetched:
        link = self.settings.link.replace("{name}", quote(file.name))
        too_large = f"is larger than {limit:,} bytes (ingest.max_file_bytes)"
        if file.problem or (file.size or 0) > limit:
            return orbit.Fetched(file.name, None, file.version, link, file.problem or too_large)
        if file.version and known.get(file.name) == file.version:
            return orbit.Fetched(file.name, None, file.version, link)
        try:
            content = await asyncio.to_thread(_content, place, file.path, limit)
        except Exception as error:  # noqa: BLE001  # libraries raise anything; one file ends no run
            return orbit.Fetched(file.name, None, "", link, f"cannot be fetched: {self._reason(error)}")
        if len(content) > limit:
            return orbit.Fetched(file.name, None, file.version, link, too_large)
        return orbit.Fetched(file.name, content, file.version, link)

    @property
    def _facts(self) -> str:
        """What, beside the content, makes a file another version."""
        settings = self.settings
        if not (settings.readers or settings.metadata):
            return ""
        return " " + json.dumps([settings.readers, settings.metadata], sort_keys=True)

    def _versioned(self, file: Listed) -> Listed:
        return msgspec.structs.replace(file, version=file.version + self._facts) if file.version else file

    def _with_facts(self, file: orbit.Fetched) -> orbit.Fetched:
        return msgspec.structs.replace(file, readers=self.settings.readers, metadata=self.settings.metadata)

    @property
    def _shown(self) -> str:
        """The address without a query, which may hold a signature."""
        return self.settings.url.partition("?")[0]

    def _failure(self, error: Exception) -> orbit.ProviderError:
        sentence = f"{self._shown} cannot be listed: {self._reason(error)}."
        return orbit.ProviderError(sentence, kind="unavailable", retryable=True)

    def _reason(self, error: Exception) -> str:
        """Return an error in one line, without credentials."""
        if reason := system_reason(error):
            return reason.rstrip(".")
        text = str(error).partition("Debug source:")[0]  # obstore repeats the error there, field by field
        for secret in filter(None, self.settings.credentials.values()):
            text = text.replace(secret, "***")
        text = " ".join(text.split())[:500].rstrip(".")
        kind = type(error).__name__
        return f"{kind}: {text}" if text else kind


def _content(place: Place, path: str, limit: int) -> bytes:
    """Return at most one byte more than ``limit``, so that the caller sees that there is more."""
    if place.local and not Path(path).resolve().is_relative_to(place.root):
        raise PermissionError("it is a link that leads out of the folder")
    with place.files.open(path, "rb") as file:
        content: bytes = file.read(limit + 1)
    return content
