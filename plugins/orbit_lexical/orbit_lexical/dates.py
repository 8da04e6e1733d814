"""Finds dates in folded texts, as numbers or with the name of the month."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

_MONTHS: Final = (
    "january jan januar janvier enero gennaio janeiro januari января",
    "february feb februar fevrier febrero febbraio fevereiro februari февраля",
    "march mar marz mars marzo marco maart марта",
    "april apr avril abril aprile апреля",
    "may mai mayo maggio maio mei мая",
    "june jun juni juin junio giugno junho июня",
    "july jul juli juillet julio luglio julho июля",
    "august aug aout agosto augustus августа",
    "september sep sept septembre septiembre settembre setembro сентября",
    "october oct oktober okt octobre octubre ottobre outubro октября",
    "november nov novembre noviembre novembro ноября",
    "december dec dezember dez decembre diciembre dicembre dezembro декабря",
)
_NUMBERS: Final = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split()}
_MONTH: Final = rf"(?P<name>{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})\b\.?"
_PATTERNS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<!\d)(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)",
        r"(?<!\d)(?P<year>\d{4})年(?P<month>\d{1,2})月(?P<day>\d{1,2})日?",
        r"(?<!\d)(?P<day>\d{1,2})[./-] ?(?P<month>\d{1,2})[./-] ?(?P<year>\d{4})(?!\d)",
        rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|\.|º)?(?: of| de)? {_MONTH}(?: de|,)? (?P<year>\d{{4}})(?!\d)",
        rf"\b{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})(?!\d)",
    )
)


def dates(folded: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield start, end and the possible days, as ``20240305``, of each date: 3/5/2024 may be in March or in May."""
    for pattern in _PATTERNS:
        for match in pattern.finditer(folded):
            found = match.groupdict()
            year, day = int(found["year"]), int(found["day"])
            month = _NUMBERS[found["name"]] if found.get("name") else int(found["month"])
            swapped = [(day, month)] if "/" in match[0] and match.start("day") < match.start("year") else []
            days = [written for m, d in ((month, day), *swapped) if (written := _written(year, m, d))]
            if days:
                yield match.start(), match.end(), tuple(dict.fromkeys(days))


def _written(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).strftime("%Y%m%d")
    except ValueError:
        return ""
