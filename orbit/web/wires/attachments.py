"""Images and files in requests: decodes data URLs and recognizes the type of an image by its first bytes."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from orbit.types import File, Image

_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)
_MAGIC: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n.{4}IHDR", re.DOTALL), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBPVP8", re.DOTALL), "image/webp"),
)


class BadAttachment(Exception):
    """The data is not what it should be. The message is a sentence for the client."""


def data_of(url: str) -> tuple[bytes, str]:
    """Return the bytes and the media type of a data URL. Raises BadAttachment."""
    head = _DATA_URL.match(url)
    if head is None:
        raise BadAttachment("it is not a data URL such as 'data:image/png;base64,...'.")
    if head[3] is None:
        raise BadAttachment("its data URL is not in base64.")
    return unpacked(url[head.end() :]), (head[1] or "").lower()


def unpacked(text: str) -> bytes:
    """Return the bytes of a text in base64. Raises BadAttachment."""
    try:
        data = base64.b64decode("".join(text.split()) if any(map(str.isspace, text)) else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAttachment("its data is not valid base64.") from error
    if not data:
        raise BadAttachment("it is empty.")
    return data


def image_of(data: bytes, detail: str = "") -> Image:
    """Return an image. Raises BadAttachment if it is none that models read."""
    media_type = next((name for magic, name in _MAGIC if magic.match(data)), None)
    if media_type is None:
        raise BadAttachment("it is not a PNG, JPEG, GIF or WebP image.")
    return Image(data, media_type, detail)


def file_of(text: str, name: str = "") -> File:
    """Return a file that came as a data URL or as base64 alone. Raises BadAttachment."""
    if text.startswith("data:"):
        data, media_type = data_of(text)
    else:
        data, media_type = unpacked(text), ""
    if data.startswith(b"%PDF-"):
        media_type = "application/pdf"
    return File(data, media_type or "application/octet-stream", name)
