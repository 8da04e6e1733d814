"""Writes values of spreadsheets as the program shows them: "12.5 %", "1,200.00", "007", "31.12.2024"."""

from __future__ import annotations

import datetime as dt
import re

_TOKEN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]|AM/PM|A/P|y+|m+|d+|h+|s+(?:\.0+)?|.', re.IGNORECASE | re.DOTALL)
_CURRENCY = re.compile(r"\[\$([^\]-]*)")
_DIGITS = re.compile(r"[#0?][#0?,.]*(?:E[+-]0+)?")
_LOCAL_DATE = "mm-dd-yy"
"""The format "short date", which looks different in each country."""
_LONGEST_FORMAT = 200
_DIVISOR = 1000
_DATES = {"yyyy": "%Y", "yy": "%y", "mmmm": "%B", "mmm": "%b", "dddd": "%A", "ddd": "%a", "dd": "%d", "hh": "%H"}


def shown(value: object, form: str | None) -> str:
    """Return a cell's value as text. ``form`` is the number format of the cell."""
    form = (form or "General")[:_LONGEST_FORMAT]
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return _date(value, form)
    if isinstance(value, dt.timedelta):
        return _duration(value, form.lower())
    if isinstance(value, int | float):
        return _number(value, form)
    return str(value)


def _number(value: float, form: str) -> str:
    parts = form.split(";")
    if value < 0 and len(parts) > 1 and "[" not in parts[1]:
        value, form = -value, parts[1]
    elif value == 0 and len(parts) > 2:  # noqa: PLR2004  # the third part is for zero
        form = parts[2]
    else:
        form = parts[0]
    digits = _DIGITS.search(_without_text(form))
    if form.lower() == "general" or digits is None or "/" in form or "E" in digits[0]:
        return _general(value)
    pattern = digits[0]
    if "%" in form:
        value *= 100
    while pattern.endswith(","):
        pattern, value = pattern[:-1], value / _DIVISOR
    whole, _, decimals = pattern.partition(".")
    least = decimals.count("0")
    text = f"{abs(value):,.{len(decimals)}f}" if "," in whole else f"{abs(value):.{len(decimals)}f}"
    if len(decimals) > least:
        head, _, tail = text.partition(".")
        tail = tail[:least] + tail[least:].rstrip("0")
        text = f"{head}.{tail}" if tail else head
    if missing := whole.replace(",", "").count("0") - len(text.partition(".")[0].replace(",", "")):
        text = "0" * missing + text
    before, after = _around(form)
    return f"{before}{'-' if value < 0 else ''}{text}{after}"


def _around(form: str) -> tuple[str, str]:
    """Return the literal text before and after the digits."""
    before, after, found = "", "", False
    for token in _TOKEN.findall(form):
        if token[0] in "#0?,.":
            found = True
            continue
        if token[0] == "[":
            literal = match[1] if (match := _CURRENCY.match(token)) else ""
        elif token[0] in "_*":
            literal = " " if token[0] == "_" and token[1] == " " else ""
        elif token[0] == '"':
            literal = token[1:-1]
        else:
            literal = token.removeprefix("\\")
        if found:
            after += literal
        else:
            before += literal
    return before.lstrip(), after.rstrip()


def _without_text(form: str) -> str:
    return re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", form)


def _general(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def _duration(value: dt.timedelta, form: str) -> str:
    """Return a time that may be longer than a day, in hours, or in minutes if ``form`` counts these."""
    minutes, seconds = divmod(round(abs(value.total_seconds())), 60)
    hours, left = divmod(minutes, 60)
    text = f"{minutes}" if "[m" in form else f"{hours}:{left:02}"
    return f"{'-' if value < dt.timedelta() else ''}{text}{f':{seconds:02}' if 's' in form else ''}"


def _date(value: dt.date | dt.time, form: str) -> str:
    tokens = _TOKEN.findall(form.split(";", maxsplit=1)[0])
    kinds = "".join(token.lower() for token in tokens if token[0] not in '"\\[')
    if form == _LOCAL_DATE or not re.search(r"[ymdhs]", kinds) or kinds == "general":
        return value.isoformat(" ", "minutes").removesuffix(" 00:00") if isinstance(value, dt.datetime) else str(value)
    if not isinstance(value, dt.datetime):
        day = dt.date(1900, 1, 1) if isinstance(value, dt.time) else value
        time = value if isinstance(value, dt.time) else dt.time()
        value = dt.datetime.combine(day, time)
    half = any(token.upper() in {"AM/PM", "A/P"} for token in tokens)
    written, before = "", ""
    for place, token in enumerate(tokens):
        name = token.lower()
        after = next((other.lower() for other in tokens[place + 1 :] if other[0].lower() in "ymdhs"), "")
        if token[0] in '"\\':
            written += token.strip('"').removeprefix("\\")
        elif token[0] in "[_*":
            continue
        elif name in {"am/pm", "a/p"}:
            written += value.strftime("%p")
        elif name[0] in "ymdhs":
            minutes = name in {"m", "mm"} and (before.startswith("h") or after.startswith("s"))
            written += _part(value, name, half=half, minutes=minutes)
            before = name
        else:
            written += token
    return written.strip()


def _part(value: dt.datetime, name: str, *, half: bool, minutes: bool) -> str:
    hour = value.hour % 12 or 12 if half else value.hour
    plain = {"m": value.minute if minutes else value.month, "d": value.day, "h": hour, "s": value.second}
    if name in _DATES and not (name == "hh" and half):
        return value.strftime(_DATES[name])
    if name[0] == "y":
        return str(value.year)
    number = plain[name[0]]
    return str(number) if len(name) == 1 else f"{number:02}"
