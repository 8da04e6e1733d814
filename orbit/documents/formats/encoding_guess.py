"""Guesses the encoding of a text in none of Unicode's: by the alphabets of languages and the habits of writing."""

# ruff: noqa: RUF001  # other scripts are the point

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

_SAMPLE = 100_000
"""Bytes to guess from."""
_MOST_WORDS = 2_000
"""Different words to look at."""
_WORDS = re.compile(rb"[A-Za-z\x80-\xff]+")
_ONLY_WINDOWS = re.compile(rb"[\x80-\x9f]")
_PAIRS = re.compile(rb"[\x81-\xfe][@-\xfe]")
_KANA = re.compile("[\u3041-\u3093\u30a1-\u30f6]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_OWN_SCRIPT = 0.5
"""Part of the bytes outside ASCII, in words with such bytes, from which a text is in another script than Latin."""

_WESTERN = "äöüß éèàùâêîôûëïüÿçœæ áéíóúñü ãõáéíóúâêôàç àèéìíòóù åäöéü æøåé éëïóöü áðéíóúýþæö àçèéíïòóúü·"
_CENTRAL = "ąćęłńóśźż áčďéěíňóřšťúůýž áäčďéíĺľňóôŕšťúýž áéíóöőúüű ăâîşţ čćđšž äöüß"
_RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
_UKRAINIAN = "оаинтевірсклудмпзяьбгчйхїжшюєцщґф"
_LATIN: Mapping[str, str] = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "iso8859_2": _CENTRAL,
    "cp1254": "çğıöşüâîûİ",
    "cp1257": "ąčęėįšųūž āčēģīķļņšūž äõöüšž",
    "cp850": _WESTERN,
    "mac_roman": _WESTERN,
    "cp852": _CENTRAL,
}
"""The letters outside ASCII of the languages that an encoding is for. The more usual encoding is first."""
_OTHER: Mapping[str, str] = {
    "cp1251": f"{_RUSSIAN} {_UKRAINIAN} оаиенсртјвкдумпљгзбчлњжцшђћхфџ",
    "koi8_r": _RUSSIAN,
    "koi8_u": _UKRAINIAN,
    "cp866": _RUSSIAN,
    "iso8859_5": _RUSSIAN,
    "mac_cyrillic": _RUSSIAN,
    "cp1253": "αοιετσνηυρπκμλςωδγχθφβξζψάέήίόύώϊϋΐΰ",
    "iso8859_7": "αοιετσνηυρπκμλςωδγχθφβξζψάέήίόύώϊϋΐΰ",
    "cp1255": "יולהםאמרתבשנכדעקחפזגטןצסךףץ",
    "cp1256": "اليمنورتبةعدسفهكقأحجشطصخإذىضزثئءغآظؤ",
    "iso8859_6": "اليمنورتبةعدسفهكقأحجشطصخإذىضزثئءغآظؤ",
    "cp874": "านรกอเงมยลวดทสตะปบคหแจพชขใไโผซธศถฐภณญษฉฝฟฮ่้ัีิุูำๆ็์ืึ",
}
"""The letters of languages in other scripts, the most frequent first."""
_BEFORE = "„“‘‚«»›‹¿¡–—…€£§©®°±²³¹¼½¾×·•µ\xa0"
_AFTER = "”“’‘»«›‹–—…€£§©®™°²³¹ªº¼½¾%‰·•×\xa0"
_WITHIN = "’·"
"""Signs that may be before, after or in a word."""
_FREQUENT = 10
"""The most frequent letters of a language are about two thirds of its texts."""
_PLAUSIBLE = 0.5
"""Part of a text in a language that are its most frequent letters, at least."""
_SURE = 0.95
"""Part of the characters that are letters of the language, at least, in a text that is in it."""


def is_latin(encoding: str) -> bool:
    """Whether an encoding is for languages in Latin letters."""
    return encoding in _LATIN


def guess(content: bytes) -> str:
    """Return Python's name of the encoding that a text is most likely in."""
    found = _guess(content)
    euro = found == "cp1252" and b"\xa4" in content and not _ONLY_WINDOWS.search(content)
    return "iso8859_15" if euro else found


def _guess(content: bytes) -> str:
    sample = content[:_SAMPLE]
    counted = Counter(word for word in _WORDS.findall(sample) if not word.isascii())
    words = dict(counted.most_common(_MOST_WORDS))
    latin = {name: _latin(words, name) for name in _LATIN}
    other = {name: _other(words, name) for name in _OTHER}
    best, own = max(latin, key=lambda name: latin[name]), max(other, key=lambda name: sum(other[name]))
    if own == "mac_cyrillic" and other["cp1251"][0] >= other[own][0]:
        own = "cp1251"  # both have the small letters at the same places, but one has signs for the other's capitals
    if _is_own_script(words) and (japanese := _japanese(sample)):
        return japanese
    if _is_own_script(words) and other[own][1] < _PLAUSIBLE and _is_hanzi(words):
        return _east_asian(sample)
    if max(latin[best], other[own][0]) < _SURE and _is_own_script(words):
        return _east_asian(sample)
    return best if latin[best] >= other[own][0] else own


def _is_own_script(words: Mapping[bytes, int]) -> bool:
    """Whether most characters in words with some outside ASCII are outside it."""
    return sum(byte > 0x7F for word in words for byte in word) > _OWN_SCRIPT * sum(map(len, words))  # noqa: PLR2004  # the last of ASCII


def _latin(words: Mapping[bytes, int], encoding: str) -> float:
    """Return the part of the characters outside ASCII that are where a language has them."""
    right = [0] * (_LATIN[encoding].count(" ") + 1)
    languages = _LATIN[encoding].split(" ")
    total = 0
    for word, count in words.items():
        before = ""
        for letter in word.decode(encoding, "replace").lstrip(_BEFORE).rstrip(_AFTER):
            if not letter.isascii() and letter not in _WITHIN:
                total += count
                if letter.isalpha() and not (letter.isupper() and before.islower()):
                    for number, alphabet in enumerate(languages):
                        right[number] += count * (letter in alphabet or letter.lower() in alphabet)
            before = letter
    return max(right) / total if total else 1.0


def _other(words: Mapping[bytes, int], encoding: str) -> tuple[float, float]:
    """Return the part of the characters that are letters of a language, and that of its most frequent ones.

    A word that has Latin letters, too, is in no other script.
    """
    counted: Counter[str] = Counter()
    total = 0
    for word, count in words.items():
        text, before = word.decode(encoding, "replace").lstrip(_BEFORE).rstrip(_AFTER), ""
        latin = any(letter.isascii() for letter in text)
        for letter in text:
            if not letter.isascii():
                total += count
                if not latin and not (letter.isupper() and before.islower()):
                    counted[letter.lower()] += count
            before = letter
    if not total:
        return 0.0, 0.0
    return max(
        (_sum(counted, alphabet) / total, _sum(counted, alphabet[:_FREQUENT]) / total)
        for alphabet in _OTHER[encoding].split(" ")
    )


def _sum(counted: Mapping[str, int], letters: Sequence[str]) -> int:
    return sum(counted.get(letter, 0) for letter in letters)


def _japanese(sample: bytes) -> str:
    """Return the encoding of a text with Japanese syllables, "" if there are none."""
    for encoding in ("euc_jp", "cp932"):
        text = sample.decode(encoding, "replace")
        if "\ufffd" not in text[:-1] and len(_KANA.findall(text)) * 10 > sum(not one.isascii() for one in text):
            return encoding
    return ""


def _is_hanzi(words: Mapping[bytes, int]) -> bool:
    """Whether all words are pairs of bytes that a usual sign of Chinese, or of Korean, has."""
    return all(len(word) % 2 == 0 and all(0xB0 <= byte <= 0xD7 for byte in word[::2]) for word in words)  # noqa: PLR2004  # GB 2312, level 1


def _east_asian(sample: bytes) -> str:
    """Return the encoding of a text in Chinese or Korean, or in Japanese without syllables."""
    pairs = _PAIRS.findall(sample)
    low = sum(pair[1] < 0x80 for pair in pairs)  # noqa: PLR2004  # see below
    if low * 20 > len(pairs):  # only in some encodings the second byte may be ASCII
        order = ("big5", "cp932", "gb18030")
    else:
        hangul = _HANGUL.findall(sample.decode("cp949", "replace"))
        order = ("cp949", "gb18030", "big5") if len(hangul) * 10 > len(pairs) * 9 else ("gb18030", "big5", "cp949")
    return min(order, key=lambda encoding: sample.decode(encoding, "replace").count("\ufffd"))
