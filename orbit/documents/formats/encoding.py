"""Decodes text: UTF-8 first, then what the file or the operator declares, then a guess, which a warning names."""

from __future__ import annotations

import codecs
import re
import unicodedata
from contextlib import suppress
from contextvars import ContextVar

import msgspec

from orbit.documents.formats.encoding_guess import guess, is_latin
from orbit.documents.sections import UnreadableError
from orbit.system.unicode import nfc

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"+/v8-", "utf-7"),
)
_BROADER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "utf-16": "utf-8",  # a file whose declaration can be read as ASCII is not UTF-16
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
}
"""What browsers take for a declared encoding (WHATWG Encoding Standard): a superset that older programs wrote."""
_NAMES = {
    "cp1252": "windows-1252",
    "cp1250": "windows-1250",
    "cp1251": "windows-1251",
    "cp932": "Shift_JIS",
    "iso8859_15": "ISO-8859-15",
}
_SHIFTS = re.compile(rb"\x1b\$(?:[@AB]|\)C|\([CDOPQ])")
_SHIFTING = ("iso2022_jp", "iso2022_kr")
"""Encodings in ASCII, of Japanese and Korean. These signs begin their letters."""
_DECLARED_ALONE = ("utf-7", "hz")
"""Encodings in ASCII whose signs plain text may have, too. Old mails declare them."""
_SAMPLE = 100_000
"""Bytes that show whether a text with mistakes is UTF-8."""
_LEAST_RIGHT = 2
"""Letters outside ASCII that are UTF-8 for each mistake. In other encodings, one in ten looks like one by chance."""
_TEXT_START = 8_192
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_EASTERN = re.compile("[\n\r\t -~\xa0-\xff\u2010-\u2026\u3000-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff01-\uffee]+")
_MOST_CONTROLS = 0.05
"""Part of a text that a program has damaged, such as a log after a crash. Binary files have more."""


assumed: ContextVar[str] = ContextVar("assumed", default="")
"""The encoding that the operator sets for files in none of Unicode's that do not declare one."""


class Decoded(msgspec.Struct, frozen=True):
    """A text in NFC with line ends of one character. ``warnings`` name a guess and what does not fit the encoding."""

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def decode(content: bytes, declared: str = "") -> Decoded:
    """Decode a text. ``declared`` is an encoding's name; unknown names are ignored.

    Raises UnreadableError for content that is binary or fits no encoding.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], encoding, len(mark))
    if _CONTROLS.search(content, 0, _TEXT_START) and (encoding := _utf_16(content)):
        return _strict(content, encoding)
    if b"\0" in content[:_TEXT_START]:
        if len(_CONTROLS.findall(content, 0, _TEXT_START)) > _MOST_CONTROLS * len(content[:_TEXT_START]):
            raise UnreadableError("is binary, not text")
        whole = decode(content.replace(b"\0", b""), declared)
        return Decoded(whole.text, whole.encoding, (*whole.warnings, "NUL characters are left out of the text."))
    shifts = _SHIFTS.search(content) or known(declared) in _DECLARED_ALONE
    if shifts and (shifted := _shifted(content, known(declared))) is not None:
        return shifted
    text = _utf_8(content)
    return Decoded(normal(text), "utf-8") if isinstance(text, str) else _decode_other(content, known(declared))


def _shifted(content: bytes, declared: str) -> Decoded | None:
    """Decode a text whose letters are ASCII after a sign that shifts the alphabet, as e-mails from Japan are."""
    for encoding in dict.fromkeys((declared, *_SHIFTING)):
        if encoding.startswith((*_SHIFTING, *_DECLARED_ALONE)) and content.isascii():
            with suppress(UnicodeDecodeError):
                return Decoded(normal(content.decode(encoding)), encoding)
    return None


def _decode_other(content: bytes, declared: str) -> Decoded:
    """Decode a text that is not, or not wholly, in UTF-8."""
    encoding = declared
    if declared in {"", "utf-8"}:  # what is declared as UTF-8 and has hardly any of it is something else
        if (mixed := _mixed(content)) is not None:
            return mixed
        encoding = "utf-8" if _is_mostly_utf_8(content) else known(assumed.get())
    warnings: tuple[str, ...] = ()
    if encoding == "utf-8":
        warnings = (f"The text is UTF-8 with mistakes, the first at byte {_first_mistake(content)}.",)
    elif not encoding:
        encoding = guess(content)
        names = "is not in UTF-8, as it says" if declared else "names no encoding"
        warnings = (f"The file {names}. It is read as {_NAMES.get(encoding, encoding)}, which is a guess.",)
    return Decoded(normal(content.decode(encoding, "replace")), encoding, warnings)


def _first_mistake(content: bytes) -> int:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(content)


def known(label: str) -> str:
    """Return Python's name of an encoding for text, "" for none."""
    try:
        name = codecs.lookup(label.strip().lower()).name
        b"\xff".decode(name, "replace")  # some codecs, such as idna and undefined, read no files
    except (LookupError, ValueError):
        return ""
    return _BROADER.get(name, name)


def normal(text: str) -> str:
    """Return a text in NFC whose lines end with a line feed, without the byte order mark of another program."""
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return nfc(text)


def _strict(content: bytes, encoding: str, skipped: int = 0) -> Decoded:
    try:
        return Decoded(normal(content.decode(encoding)), encoding)
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise UnreadableError(f"is not {name} text (byte {skipped + error.start})") from error


def _utf_16(content: bytes) -> str:
    """Return the kind of UTF-16 without a mark that a text with control characters is in, "" if it is none."""
    if len(content) % 2:
        return ""
    sample = content[:_TEXT_START]
    for encoding in ("utf-16-le", "utf-16-be"):  # in it, East Asian texts have any bytes, and hardly any NUL
        if _EASTERN.fullmatch(sample.decode(encoding, "replace")) and isinstance(_utf_8(sample), bytes):
            return encoding
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if not even + odd or min(even, odd) * 10 > max(even, odd):
        return ""
    text = sample.decode(encoding, "replace")
    odd_ones = sum(
        unicodedata.category(character) in {"Cc", "Cn", "Co"} and not character.isspace() for character in text
    )
    return "" if odd_ones * 50 > len(text) else encoding


def _mixed(content: bytes) -> Decoded | None:
    """Decode a text of which most lines are UTF-8 and some are not, as when files of two programs were joined."""
    lines: list[str | bytes] = [_utf_8(line) for line in content.split(b"\n")]
    wrong = b"\n".join(line for line in lines if isinstance(line, bytes))
    count = sum(isinstance(line, bytes) for line in lines)
    right = sum(isinstance(line, str) and not line.isascii() for line in lines)
    if not right or _is_mostly_utf_8(wrong):
        return None
    encoding = known(assumed.get()) or guess(wrong)
    if right < count and not is_latin(encoding):  # in other alphabets a line may look like UTF-8 by chance
        return None
    text = "\n".join(line if isinstance(line, str) else line.decode(encoding, "replace") for line in lines)
    how = f"{'1 line that is' if count == 1 else f'{count} lines that are'} not"
    warning = f"The text is UTF-8, but for {how}: read as {_NAMES.get(encoding, encoding)}, which is a guess."
    return Decoded(normal(text), "utf-8", (warning,))


def _utf_8(line: bytes) -> str | bytes:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line


def _is_mostly_utf_8(content: bytes) -> bool:
    """Whether most of what is outside ASCII is UTF-8: a mistake in it is then no other encoding."""
    text = content[:_SAMPLE].decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    return sum(character > "\x7f" for character in text) - wrong >= max(1, _LEAST_RIGHT * wrong)
