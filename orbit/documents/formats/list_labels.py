"""Labels of list items, as programs show them: "3", "b", "IV", or a dash."""

from __future__ import annotations

import re

BULLET = "-"
STRUCK = "~~"
"""The mark of Markdown around text that no longer holds."""
FORMS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
"""The formats of HTML and OpenDocument, by Word's names."""
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_MOST_ROMAN = 5_000
_ALPHABETS = {
    "russianLower": "абвгдежзиклмнопрстуфхцчшщыэюя",
    "russianUpper": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ",
    "arabicAlpha": "أبتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "arabicAbjad": "أبجدهوزحطيكلمنسعفصقرشتثخذضظغ",
    "hebrew1": "אבגדהוזחטי",
    "hebrew2": "אבגדהוזחטיכלמנסעפצקרשת",
    "ganada": "가나다라마바사아자차카타파하",
    "chosung": "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
    "aiueo": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン",
    "iroha": "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセスン",
    "ideographTraditional": "甲乙丙丁戊己庚辛壬癸",
    "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥",
    "decimalEnclosedCircle": "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳",
}
_CHINESE = re.compile("(chinese|taiwanese|japanese)Counting(Thousand)?")
_FIGURES = "〇一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_MOST_CHINESE = 10_000
_ONES = (
    *("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def formatted(number: int, form: str) -> str:
    """Write a number in one of Word's formats; in figures if the format is another."""
    if form in {"lowerLetter", "upperLetter"} and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 100)
        return letter if form == "lowerLetter" else letter.upper()
    if form in {"lowerRoman", "upperRoman"} and 0 < number < _MOST_ROMAN:
        roman, rest = "", number
        for value, letters in _ROMAN:
            roman += letters * (rest // value)
            rest %= value
        return roman if form == "lowerRoman" else roman.upper()
    if _CHINESE.fullmatch(form) and 0 < number < _MOST_CHINESE:
        return _chinese(number)
    if 0 < number <= len(letters := _ALPHABETS.get(form.removesuffix("FullWidth"), "")):
        return letters[number - 1]
    return f"{number:02}" if form == "decimalZero" else str(number)


def in_words(number: int, form: str) -> str:
    """Write a number as ``formatted`` does, or in English where the format wants words: "Two", "Second", "2nd"."""
    if form == "ordinal":
        return f"{number}{_ENDINGS.get(number % 10, 'th') if number % 100 // 10 != 1 else 'th'}"
    if form not in {"cardinalText", "ordinalText"} or not 0 < number < 100:  # noqa: PLR2004  # no list is longer
        return formatted(number, form)
    tens, ones = (_TENS[number // 10], _ONES[number % 10]) if number >= len(_ONES) else ("", _ONES[number])
    if form == "ordinalText":
        tens = tens if ones else f"{tens[:-1]}ieth"
        ones = ones and _ORDINALS.get(ones, f"{ones}th")
    return "-".join(filter(None, (tens, ones))).capitalize()


def _chinese(number: int) -> str:
    digits = [int(digit) for digit in reversed(str(number))]
    parts = [f"{_FIGURES[digit]}{_UNITS[place]}" if digit else _FIGURES[0] for place, digit in enumerate(digits)]
    written = re.sub(f"{_FIGURES[0]}+", _FIGURES[0], "".join(reversed(parts))).rstrip(_FIGURES[0])
    return written.removeprefix("一") if written.startswith("一十") else written
