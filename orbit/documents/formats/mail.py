"""Reads e-mails (eml, mbox): the headers that people see, the text, and attachments with their own readers."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import mimetypes
import re
import sys
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from email.header import Header, decode_header, make_header
from email.message import EmailMessage, Message, MIMEPart
from typing import Any, cast

import msgspec

from orbit.documents.formats.encoding import Decoded, decode
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.types import SourceFile

_START = 1_024
_HEADERS_ALONE = "text/rfc822-headers"
_REPORTS = ("message/delivery-status", "message/disposition-notification", "message/feedback-report")
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_NOT_ASCII = re.compile(r"[^\s<>\"]*[^\x00-\x7f][^\s<>\"]*")
_OTHER_WORDS = 0.3
"""Part of the words of a page that its plain text lacks, from which that only refers to the page."""
_ROWS = re.compile(r" \| [^\n]*\n[^\n]* \| ")
_MOST_PARTS = 10_000
_LONG_HEADER = 4_000
_ENCODED_WORD = re.compile(r"(=\?[\w-]{1,40}\?[bq]\?[^?\s]{0,100}\?=)(?:\s+(?==\?))?", re.IGNORECASE)
_MESSAGE = re.compile(rb"^From .*\n(?=[\w-]+:)", re.MULTILINE)
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
"""How mailboxes write a line of a message that would look like the start of the next one."""


class _Policy(email.policy.EmailPolicy):
    """Python's own, but for headers so long that its parser would take minutes."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        if len(value) <= _LONG_HEADER or not isinstance(value, str):
            return super().header_fetch_parse(name, value)
        if name.lower().startswith("content-"):
            return super().header_fetch_parse(name, value[:_LONG_HEADER])
        return _ENCODED_WORD.sub(lambda word: str(make_header(decode_header(word.group(1)))), value)


_POLICY = cast("email.policy.EmailPolicy[EmailMessage]", _Policy())


def read_eml(content: bytes) -> Content:
    """Read a message, and hand on its attachments."""
    if b"\0" in content[:_START]:
        content = decode(content).text.encode()
    message = email.message_from_bytes(_with_plain_headers(content.lstrip()), policy=_POLICY)
    subject = _header(message, "Subject")
    headers = "\n".join(f"{name}: {value}" for name in _HEADERS if (value := _header(message, name)))
    if not headers:
        raise UnreadableError("is not a readable e-mail: it has no headers")
    bodies = [message.get_body((kind,)) for kind in ("plain", "html")]
    used, body = _body(*bodies)
    sections = [Section(headers), *body.sections]
    if len(body.sections) == 1 and not body.sections[0].path:
        sections = [msgspec.structs.replace(body.sections[0], text=f"{headers}\n\n{body.sections[0].text}")]
    warnings = list(body.warnings)
    attachments: list[SourceFile] = []
    parts = [
        (part, choice)
        for part, choice in _parts(message, choice=False)
        if part is not used and not (choice and any(part is one for one in bodies))
    ]
    if len(parts) > _MOST_PARTS:
        warnings.append(f"Only {_MOST_PARTS:,} of its {len(parts):,} parts are read.")
    words = _words(sections)
    for number, (part, choice) in enumerate(parts[:_MOST_PARTS], start=1):
        if part.get_content_type() in ("text/plain", "text/html", _HEADERS_ALONE) and not part.get_filename():
            found = _text_of(part)
            if not choice or _adds(found, words):
                sections += found.sections
                words |= _words(found.sections)
                warnings += found.warnings
        elif part.get_content_maintype() == "multipart":  # whose parts nothing divides
            sections += [Section(one) for one in [str(part.get_payload()).strip()] if one]
        elif part.get_content_type() in _REPORTS:
            sections.append(Section(_report(part)))
        else:
            attachments += _attached(part, number)
    return Content(tuple(sections), subject, tuple(warnings), tuple(attachments))


def read_mht(content: bytes) -> Content:
    """Read a page that a browser saved with its pictures as one file."""
    from orbit.documents.formats.html.reader import read_html  # noqa: PLC0415  # only some files are such pages

    message = email.message_from_bytes(content, policy=_POLICY)
    pages = [read_html(*_content_of(part)) for part in message.walk() if part.get_content_type() == "text/html"]
    if not pages:
        raise UnreadableError("is not a readable web archive: it has no page")
    sections = (section for page in pages for section in page.sections)  # the first, and those in its frames
    warnings = (warning for page in pages for warning in page.warnings)
    return Content(tuple(sections), pages[0].title, tuple(warnings))


def read_mbox(content: bytes) -> Content:
    """Read a mailbox: messages one after the other."""
    starts = [found.start() for found in _MESSAGE.finditer(content)]
    if not starts:
        raise UnreadableError("is not a readable mailbox: no line begins with 'From '")
    sections: list[Section] = []
    warnings: list[str] = []
    attachments: list[SourceFile] = []
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        found = read_eml(_ESCAPED.sub(rb"\1", content[start:end].partition(b"\n")[2]))
        warnings += found.warnings
        attachments += found.attachments
        path = (found.title,) if found.title else ()
        sections += [msgspec.structs.replace(one, path=(*path, *one.path)) for one in found.sections]
    return Content(tuple(sections), "", tuple(warnings), tuple(attachments))


def _header(message: EmailMessage, name: str) -> str:
    """Return a header, decoded if Python can: its parser fails on some broken ones."""
    try:
        value = str(message[name] or "")
    except Exception:  # noqa: BLE001  # IndexError, AttributeError and more
        value = next(str(value) for key, value in message.raw_items() if key.lower() == name.lower())
    return " ".join(value.split())


def _body(plain_part: MIMEPart | None, rich_part: MIMEPart | None) -> tuple[MIMEPart | None, Content]:
    """Return the form of the text that says more, and its content."""
    from orbit.documents.formats.html.reader import read_html  # noqa: PLC0415  # only some messages are HTML

    plain, rich = _content_of(plain_part), _content_of(rich_part)
    page = read_html(*rich) if rich[0].strip() else Content(())
    text = decode(*plain) if plain[0].strip() else Decoded("", "")
    if not text.text.strip() or _adds(page, set(text.text.split())) or (_has_rows(page) and " | " not in text.text):
        return rich_part, page
    return plain_part, Content((Section(text.text.strip()),), "", text.warnings)


def _content_of(part: MIMEPart | None) -> tuple[bytes, str]:
    """Return the bytes of a text, and the encoding that the message declares."""
    content = part.get_payload(decode=True) if part is not None else b""
    if part is None or not isinstance(content, bytes):
        return b"", ""
    declared = part.get_content_charset() or ""
    return content, "" if declared == "us-ascii" else declared  # the default of who wrote none


def _with_plain_headers(content: bytes) -> bytes:
    """Return a message whose headers are ASCII, as the standard wants it. Some programs write others."""
    end = _END_OF_HEADERS.search(content)
    headers = content[: end.start()] if end else content
    if headers.isascii():
        return content
    text = _NOT_ASCII.sub(_encoded_word, decode(headers).text)
    return text.encode() + content[len(headers) :]


def _encoded_word(word: re.Match[str]) -> str:
    return Header(word.group(), "utf-8", maxlinelen=sys.maxsize).encode()


def _parts(part: MIMEPart, *, choice: bool) -> Iterator[tuple[MIMEPart, bool]]:
    """Yield the parts that have no parts, and messages. ``choice``: the part is one of several forms of a text."""
    if part.get_content_maintype() != "multipart" or not part.is_multipart():
        yield part, choice
        return
    for inner in part.iter_parts():
        yield from _parts(inner, choice=choice or part.get_content_subtype() == "alternative")


def _text_of(part: MIMEPart) -> Content:
    from orbit.documents.formats.html.reader import read_html  # noqa: PLC0415  # only some messages are HTML

    content = _content_of(part)
    if not content[0].strip():
        return Content(())
    if part.get_content_subtype() == "html":
        return read_html(*content)
    text = decode(*content)
    return Content((Section(text.text.strip()),), "", text.warnings)


def _adds(found: Content, known: AbstractSet[str]) -> bool:
    """Whether many words of a text are nowhere else."""
    words = _words(found.sections)
    return len(words - known) > _OTHER_WORDS * len(words)


def _has_rows(page: Content) -> bool:
    """Whether a page has a table, whose cells are lines apart in plain text."""
    return any(section.kind == "table" or _ROWS.search(section.text) for section in page.sections)


def _words(sections: Sequence[Section]) -> set[str]:
    return {word for section in sections for word in section.text.split()}


def _report(part: MIMEPart) -> str:
    """Return what a mail server says about a message, or a reader's program: fields in groups."""
    groups = part.get_payload() if part.is_multipart() else []
    return "\n\n".join(
        "\n".join(f"{name}: {' '.join(str(value).split())}" for name, value in group.items())
        for group in groups
        if isinstance(group, Message)
    )


def _attached(part: MIMEPart, number: int) -> Iterator[SourceFile]:
    kind = part.get_content_type()
    if part.get_content_maintype() == "message":
        inner = part.get_payload(0) if part.is_multipart() else None
        if isinstance(inner, EmailMessage):
            try:
                content = inner.as_bytes(policy=email.policy.compat32)  # keeps headers that break the rules
            except UnicodeEncodeError:
                content = str(inner).encode("utf-8", "replace")
            if part["Content-Transfer-Encoding"] == "base64":  # which the rules forbid
                with contextlib.suppress(ValueError):  # what is no Base64 stays as it is
                    content = base64.b64decode(str(inner.get_payload()))
                    inner = email.message_from_bytes(content, policy=_POLICY)
            yield SourceFile(f"{_header(inner, 'Subject') or f'message {number}'}.eml", content)
        return
    if kind in _SIGNATURES or (part.get_content_maintype() == "image" and part["Content-ID"]):  # a logo in the text
        return
    name = part.get_filename() or f"attachment {number}"
    packed = part.get_payload(decode=True)
    if isinstance(packed, bytes) and packed.strip():
        yield SourceFile(name if "." in name else name + (mimetypes.guess_extension(kind) or ""), packed)
