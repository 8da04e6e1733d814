"""Streams the files of a ``multipart/form-data`` body into a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import IO

from multipart import (  # type: ignore[import-untyped]  # the package has no types
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)

from orbit.documents import LocalFile
from orbit.web.http.problems import RequestError

MAX_FILES = 10_000
_MAX_HEADER_BYTES = 65_536
_HEAD, _TAIL = 200, 100
"""How many characters a shortened name keeps from its beginning and from its end."""


def clean_name(name: str) -> str:
    """Return a safe form of a file's name: a relative path of printable characters, shortened to a readable length.

    The name is only data, but prompts, pages and logs show it, where a line feed or an invisible character could
    disguise it.
    """
    printable = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
    parts = [part for part in PurePosixPath(printable).parts if part not in ("/", "//", "..", ".")]
    clean = "/".join(parts) or "unnamed"
    return clean if len(clean) <= _HEAD + _TAIL else f"{clean[:_HEAD]}…{clean[-_TAIL:]}"


async def receive_files(pieces: AsyncIterator[bytes], boundary: str, folder: Path, limit: int) -> list[LocalFile]:
    """Write the files of a body to ``folder``, whatever their field names. Skips fields that are no files.

    Keeps one byte more than ``limit`` of each file, enough to see that it is too large. Raises RequestError if the body
    is not multipart.
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
                            files.append(
                                LocalFile(folder / str(len(files)), clean_name(event.filename), temporary=True)
                            )
                            open_file, room = files[-1].path.open("wb"), limit + 1
                    elif event is None:
                        if open_file is not None:
                            open_file.close()
                        open_file = None
                    elif open_file is not None and room > 0:
                        await asyncio.to_thread(open_file.write, event[:room])
                        room -= len(event)
    except MultipartError as error:
        raise RequestError(400, "invalid_multipart", _sentence(error)) from error
    finally:
        if open_file is not None:
            open_file.close()
    return files


def _sentence(error: MultipartError) -> str:
    if isinstance(error, ParserLimitReached):
        return f"the upload has more than {MAX_FILES:,} parts, or too long headers in one; send fewer files at once."
    return f"the body is no multipart/form-data that can be read: {error}."
