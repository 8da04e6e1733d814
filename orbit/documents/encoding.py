"""Decodes text: UTF-8 first, then what the file or the operator declares, then a guess, which a warning names."""

from __future__ import annotations

import codecs
import re
import unicodedata
from contextvars import ContextVar

import msgspec

from orbit.documents.sections import UnreadableError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
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
_NAMES = {"cp1252": "windows-1252", "cp1250": "windows-1250", "cp1251": "windows-1251", "cp932": "Shift_JIS"}
_LIKELY = sorted(
    """
    big5 big5hkscs cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp874 cp932 cp949 euc_jp euc_kr
    gb18030 iso8859_2 iso8859_5 iso8859_7 koi8_r koi8_u
    """.split()  # noqa: SIM905  # a list would take a line for each
)
"""Encodings that files of today are in; charset-normalizer knows many that only look like them."""
_SAMPLE = 100_000
"""Bytes to guess from."""
_WORDS = re.compile(rb"[A-Za-z\x80-\xff]+")
_RUNS = re.compile(rb"(?:[\x80-\xff][@-~]?)+")
"""Characters outside ASCII, with the second bytes of East Asian ones."""
_OWN_SCRIPT = 0.5
"""Part of the bytes outside ASCII, in words with such bytes, from which a text is in another script than Latin."""
_FIRST_LETTER = 0xC0
"""Below are mostly quotation marks and other signs."""
_ENOUGH = 3
"""Different characters outside ASCII that it takes to tell one Latin encoding from another."""
_KANA = re.compile("[\u3041-\u3093\u30a1-\u30f6]")
_TEXT_START = 8_192


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
    if b"\0" in content[:_TEXT_START]:
        encoding = _utf_16(content)
        if not encoding:
            raise UnreadableError("is binary, not text")
        return _strict(content, encoding)
    try:
        return Decoded(normal(content.decode("utf-8")), "utf-8")
    except UnicodeDecodeError as error:
        damage = error
    encoding = known(declared) or known(assumed.get())
    if encoding == "utf-8" or (not encoding and _is_mostly_utf_8(content)):
        text = normal(content.decode("utf-8", "replace"))
        return Decoded(text, "utf-8", (f"The text is UTF-8 with mistakes, the first at byte {damage.start}.",))
    if encoding:
        return Decoded(normal(content.decode(encoding, "replace")), encoding)
    encoding = guess(content)
    text = normal(content.decode(encoding, "replace"))
    return Decoded(
        text,
        encoding,
        (f"The file names no encoding. It is read as {_NAMES.get(encoding, encoding)}, which is a guess.",),
    )


def known(label: str) -> str:
    """Return Python's name of an encoding for text, "" for none."""
    try:
        found = codecs.lookup(label.strip().lower())
    except (LookupError, ValueError):
        return ""
    if not getattr(found, "_is_text_encoding", True):
        return ""
    return _BROADER.get(found.name, found.name)


def guess(content: bytes) -> str:
    """Return the encoding that a text in none of Unicode's encodings is most likely in."""
    from charset_normalizer import from_bytes  # noqa: PLC0415  # only files in old encodings pay for it

    sample = content[:_SAMPLE]
    words = [word for word in _WORDS.findall(sample) if not word.isascii()]
    high = [byte for word in words for byte in word if byte > 0x7F]  # noqa: PLR2004  # the last of ASCII
    own_script = len(high) > _OWN_SCRIPT * sum(map(len, words))
    if own_script:
        for encoding in ("euc_jp", "cp932"):
            text = sample.decode(encoding, "replace")
            if "\ufffd" not in text[:-1] and len(_KANA.findall(text)) * 5 > len(text):
                return encoding
        sample = b" ".join(_RUNS.findall(sample))
    found = [match.encoding for match in from_bytes(sample, cp_isolation=_LIKELY)]
    likely = [name for name in found if _is_latin(sample.decode(name, "replace")) != own_script]
    if own_script:
        return likely[0] if likely else "cp1252"
    western = sample.decode("cp1252", "replace")
    if "\ufffd" in western and all(map(str.isalpha, bytes(high).decode("cp850"))):
        return "cp850"  # of DOS: windows-1252 does not have all its umlauts
    few = len({byte for byte in high if byte >= _FIRST_LETTER}) < _ENOUGH
    if few or not likely or "cp1252" in likely or sample.decode(likely[0], "replace") == western:
        return "cp1252"
    return likely[0]


def normal(text: str) -> str:
    """Return a text in NFC whose lines end with a line feed."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _strict(content: bytes, encoding: str, skipped: int = 0) -> Decoded:
    try:
        return Decoded(normal(content.decode(encoding)), encoding)
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise UnreadableError(f"is not {name} text (byte {skipped + error.start})") from error


def _utf_16(content: bytes) -> str:
    """Return the kind of UTF-16 without a mark that a text with NUL bytes is in, "" if it is none."""
    sample = content[:_TEXT_START]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if len(content) % 2 or min(even, odd) * 10 > max(even, odd):
        return ""
    text = sample.decode(encoding, "replace")
    odd_ones = sum(
        unicodedata.category(character) in {"Cc", "Cn", "Co"} and not character.isspace() for character in text
    )
    return "" if odd_ones * 50 > len(text) else encoding


def _is_mostly_utf_8(content: bytes) -> bool:
    """Whether most of what is outside ASCII is UTF-8: a mistake in it is then no other encoding."""
    text = content[:_SAMPLE].decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    return sum(character > "\x7f" for character in text) - wrong > 5 * wrong


def _is_latin(text: str) -> bool:
    letters = [character for character in text if character > "\x7f" and character.isalpha()]
    return sum("LATIN" in unicodedata.name(letter, "") for letter in letters) * 2 > len(letters) or not letters
