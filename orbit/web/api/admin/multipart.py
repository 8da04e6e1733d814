"""Files from a ``multipart/form-data`` body, written to a folder as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import IO

from multipart import (  # type: ignore[import-untyped]  # the package has no types
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from orbit.documents import LocalFile
from orbit.web.http.problems import RequestError

MAX_FILES = 10_000
_MAX_HEADER_BYTES = 65_536
_HEAD, _TAIL = 200, 100
"""Characters that are kept of a name longer than both together, from its beginning and from its end."""


def clean_name(name: str) -> str:
    """A file's name as what it is stored under: a relative path of printable characters, not longer than people read.

    It is only ever data, but it goes to prompts, pages and logs, where a line feed or an invisible character could
    pretend to be something else.
    """
    printable = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
    parts = [part for part in PurePosixPath(printable).parts if part not in ("/", "//", "..", ".")]
    clean = "/".join(parts) or "unnamed"
    return clean if len(clean) <= _HEAD + _TAIL else f"{clean[:_HEAD]}…{clean[-_TAIL:]}"


async def receive_files(pieces: AsyncIterator[bytes], boundary: str, folder: Path, limit: int) -> list[LocalFile]:
    """The files of a body, in ``folder``, whatever their fields are called. Fields that are no files are passed over.

    A little more than ``limit`` bytes are kept of each, enough to tell that it is too large. Raises RequestError for
    a body that is no multipart.
    """
    files: list[LocalFile] = []
    open_file: IO[bytes] | None = None
    room = 0
    try:
        with PushMultipartParser(boundary, max_header_size=_MAX_HEADER_BYTES, max_segment_count=MAX_FILES) as parser:
            async for piece in pieces:
                for event in parser.parse(piece) if piece else ():
                    if isinstance(event, MultipartSegment):
                        if event.filename:
                            files.append(LocalFile(folder / str(len(files)), clean_name(event.filename)))
                            open_file, room = files[-1].path.open("wb"), limit + 1
                    elif event is None:
                        if open_file is not None:
                            open_file.close()
                        open_file = None
                    elif open_file is not None and room > 0:
                        await asyncio.to_thread(open_file.write, event[:room])
                        room -= len(event)
    except MultipartError as error:
        detail = f"the body is no multipart/form-data that can be read: {error}."
        raise RequestError(400, "invalid_multipart", detail) from error
    finally:
        if open_file is not None:
            open_file.close()
    return files
