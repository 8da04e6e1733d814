"""Reads e-mails (eml, mbox): the headers that people see, the text, and attachments with their own readers."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage

import msgspec

from orbit.documents.sections import Content, Section, UnreadableError
from orbit.types import SourceFile

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_MESSAGE = re.compile(rb"^From .*\n(?=[\w-]+:)", re.MULTILINE)


def read_eml(content: bytes) -> Content:
    """Read a message, and hand on its attachments."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    subject = " ".join(str(message["Subject"] or "").split())
    headers = "\n".join(f"{name}: {' '.join(str(message[name]).split())}" for name in _HEADERS if message[name])
    if not headers:
        raise UnreadableError("is not a readable e-mail: it has no headers")
    body = _body(message)
    sections = (Section(headers), *body.sections)
    if len(body.sections) == 1 and not body.sections[0].path:
        sections = (msgspec.structs.replace(body.sections[0], text=f"{headers}\n\n{body.sections[0].text}"),)
    return Content(sections, subject, body.warnings, tuple(_attachments(message)))


def read_mbox(content: bytes) -> Content:
    """Read a mailbox: messages one after the other."""
    starts = [found.start() for found in _MESSAGE.finditer(content)]
    if not starts:
        raise UnreadableError("is not a readable mailbox: no line begins with 'From '")
    sections: list[Section] = []
    warnings: list[str] = []
    attachments: list[SourceFile] = []
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        found = read_eml(content[start:end].partition(b"\n")[2])
        warnings += found.warnings
        attachments += found.attachments
        path = (found.title,) if found.title else ()
        sections += [msgspec.structs.replace(one, path=(*path, *one.path)) for one in found.sections]
    return Content(tuple(sections), "", tuple(warnings), tuple(attachments))


def _body(message: EmailMessage) -> Content:
    from orbit.documents.html import read_html  # noqa: PLC0415  # only some messages are HTML

    part = message.get_body(("plain", "html"))
    if part is None:
        return Content(())
    try:
        text = str(part.get_content())
    except (LookupError, ValueError):  # an unknown character set
        text = part.get_payload(decode=True).decode("utf-8", "replace")  # type: ignore[union-attr]  # bytes if decoded
    if part.get_content_subtype() == "html":
        return read_html(text.encode())
    return Content((Section(text.replace("\r\n", "\n").strip()),)) if text.strip() else Content(())


def _attachments(message: EmailMessage) -> Iterator[SourceFile]:
    for number, part in enumerate(message.iter_attachments(), start=1):
        if part.get_content_maintype() == "message":
            inner = part.get_payload(0) if part.is_multipart() else None
            if isinstance(inner, EmailMessage):
                yield SourceFile(f"{inner['Subject'] or f'message {number}'}.eml", inner.as_bytes())
            continue
        if part.get_content_maintype() == "image" and part["Content-ID"]:  # a logo in the text
            continue
        name = part.get_filename() or ""
        content = part.get_payload(decode=True)
        if name and isinstance(content, bytes):
            yield SourceFile(name, content)
