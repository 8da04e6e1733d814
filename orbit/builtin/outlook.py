"""Reads messages of Outlook (``.msg``), with the messages and files attached to them."""

from __future__ import annotations

import dataclasses
import io
import mimetypes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any

import msgspec

from orbit import Content, Section, SourceFile

_DEEPEST = 5
"""Messages within messages to read."""
_PROPERTIES = "__properties_version1.0"
_MESSAGE = "__substg1.0_3701000D"
"""The storage of a message inside an attachment."""
_INNER_HEADER, _OUTER_HEADER = 24, 32
"""Bytes before the properties of a message inside another one, and of one that is a file."""
_RECIPIENT_KIND = 0x0C15
_HTML, _RTF, _SHORT_NAME, _DISPLAY_NAME, _TYPE = 0x1013, 0x1009, 0x3704, 0x3001, 0x370E


def read_message(content: bytes) -> Content:
    """Read a message with its attachments. Raises whatever the library raises on a broken file."""
    from olefile import OleFileIO  # type: ignore[import-untyped]  # noqa: PLC0415  # only reading processes pay for it
    from oxmsg.storage import Storage  # noqa: PLC0415  # the same

    with OleFileIO(io.BytesIO(content)) as file:
        return _content(Storage.from_ole(file), 0)


def _content(storage: Any, depth: int) -> Content:
    from oxmsg import Message  # noqa: PLC0415  # the same
    from oxmsg.attachment import Attachment  # noqa: PLC0415  # the same

    message = Message(storage)
    text, attachments = _body(message)
    sections = [Section("\n\n".join(filter(None, (_headers(message), text))))]
    warnings: list[str] = []
    for number, part in enumerate(storage.iter_attachment_storages(), start=1):
        attachment = Attachment(part)
        name = _name(attachment, number)
        inner = next((one for one in part.storages if one.name == _MESSAGE and _has_properties(one)), None)
        if attachment.file_bytes:
            attachments.append(SourceFile(name, attachment.file_bytes))
        elif inner is None:
            warnings.append(f"The attachment '{name}' is not in the file.")
        elif depth == _DEEPEST:
            warnings.append(f"The attachment '{name}' is nested too deeply.")
        else:
            found = _content(_as_outer(inner), depth + 1)
            path = found.title or name
            sections += (msgspec.structs.replace(one, path=(path, *one.path)) for one in found.sections)
            attachments += (SourceFile(f"{path}/{one.name}", one.content) for one in found.attachments)
            warnings += found.warnings
    return Content(tuple(sections), message.subject, tuple(warnings), tuple(attachments))


def _headers(message: Any) -> str:
    people: dict[int, list[str]] = {}
    for one in message.recipients:
        name, address = (one.name or "").strip(), (one.email_address or "").strip()
        people.setdefault(one.properties.int_prop_value(_RECIPIENT_KIND) or 1, []).append(
            f"{name} <{address}>" if name and address and name != address else name or address
        )
    to, copies = (", ".join(filter(None, people.get(kind, ()))) for kind in (1, 2))
    facts = {
        "From": _decoded(message.sender),
        "To": to,
        "Cc": copies,
        "Date": message.sent_date,
        "Subject": message.subject,
    }
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value)


def _decoded(sender: str | None) -> str:
    """Return a name whose letters other than ASCII may be encoded, as a mail server has passed it on."""
    plain = " ".join((sender or "").split())
    try:
        return str(make_header(decode_header(plain)))
    except (HeaderParseError, LookupError, ValueError):  # no Base64, an unknown charset, other bytes than it has
        return plain


def _body(message: Any) -> tuple[str, list[SourceFile]]:
    """Return the plain text, or else a file of the text in HTML or RTF, in which some messages alone have it."""
    text = (message.body or "").replace("\r\n", "\n").strip()
    if text:
        return text, []
    if page := message.properties.binary_prop_value(_HTML) or (message.html_body or "").encode():
        return "", [SourceFile("text.html", page)]
    if packed := message.properties.binary_prop_value(_RTF):
        from compressed_rtf import decompress  # type: ignore[import-untyped]  # noqa: PLC0415  # the same

        return "", [SourceFile("text.rtf", decompress(packed))]
    return "", []


def _name(attachment: Any, number: int) -> str:
    """Return the name of an attached file, or one that tells its kind."""
    find = attachment.properties.str_prop_value
    name = attachment.file_name or find(_SHORT_NAME) or find(_DISPLAY_NAME)
    return name or f"attachment {number}{mimetypes.guess_extension(find(_TYPE) or '') or ''}"


def _has_properties(storage: Any) -> bool:
    return any(stream.name == _PROPERTIES for stream in storage.streams)


def _as_outer(storage: Any) -> Any:
    """Return a message inside another one as if it were a file: the header of its properties is longer there."""
    gap = bytes(_OUTER_HEADER - _INNER_HEADER)
    streams = tuple(
        dataclasses.replace(one, bytes_=one.bytes_[:_INNER_HEADER] + gap + one.bytes_[_INNER_HEADER:])
        if one.name == _PROPERTIES
        else one
        for one in storage.streams
    )
    return dataclasses.replace(storage, streams=streams)
