"""Grammars of numbers between bounds, which the converter of JSON schemas lacks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from orbit.filters import is_number

_MOST_DIGITS: Final = 15
"""Digits that a model may add to a fraction: some would write them without end."""
_LONGEST: Final = 16
"""Digits of the longest number without a bound, as of the converter's numbers."""


class _Ends(NamedTuple):
    """What may follow the digits of the lower bound, of the upper one, of both if they are equal, and of any other.

    None: nothing may, the bound is exclusive.
    """

    low: str | None
    high: str | None
    both: str | None
    free: str


class _Bound(NamedTuple):
    value: Decimal
    inclusive: bool = True


def bounded(schema: Mapping[str, Any]) -> str | None:
    """Return the GBNF of the numbers within a schema's bounds, "" if there are none, and None without bounds.

    Numbers with a fraction have at least as many digits after the point as the bounds, and no exponent.
    """
    lows = [*_given(schema, "minimum", inclusive=True), *_given(schema, "exclusiveMinimum", inclusive=False)]
    highs = [*_given(schema, "maximum", inclusive=True), *_given(schema, "exclusiveMaximum", inclusive=False)]
    if not lows and not highs:
        return None
    low = max(lows, key=lambda bound: (bound.value, not bound.inclusive), default=_Bound(-Decimal("inf")))
    high = min(highs, key=lambda bound: (bound.value, bound.inclusive), default=_Bound(Decimal("inf")))
    whole = schema["type"] == "integer"
    if whole:
        low, high = _next_whole(low, 1), _next_whole(high, -1)
    if low.value > high.value or (low.value == high.value and not (low.inclusive and high.inclusive)):
        return ""
    return _signed(low, high, whole=whole)


def _next_whole(bound: _Bound, step: int) -> _Bound:
    """Return the first integer within a lower (``step`` 1) or upper (-1) bound."""
    if bound.value.is_infinite():
        return bound
    value = Decimal(math.ceil(bound.value * step) * step)
    return _Bound(value if bound.inclusive or value != bound.value else value + step)


def _given(schema: Mapping[str, Any], name: str, *, inclusive: bool) -> list[_Bound]:
    value = schema.get(name)
    return [_Bound(Decimal(str(value)), inclusive)] if is_number(value) else []


def _signed(low: _Bound, high: _Bound, *, whole: bool) -> str:
    parts = []
    if high.value >= 0:
        parts += _unsigned(low if low.value >= 0 else _Bound(Decimal(0)), high, whole=whole)
    if low.value < 0:
        nearest = _Bound(-high.value, high.inclusive) if high.value <= 0 else _Bound(Decimal(0))
        negative = _unsigned(nearest, _Bound(-low.value, low.inclusive), whole=whole)
        parts.append(f'"-" ({" | ".join(negative)})')
    return " | ".join(parts)


def _unsigned(low: _Bound, high: _Bound, *, whole: bool) -> list[str]:
    """Return the numbers between two that are not negative: of as many digits as a bound, and of those in between."""
    limited = high.value.is_finite()
    known = (low, high) if limited else (low,)
    places = max(0, *(-int(bound.value.normalize().as_tuple().exponent) for bound in known), 0)
    ends = _ends(low, high, places, whole=whole)
    least = f"{low.value:.{places}f}"
    most = f"{high.value:.{places}f}" if limited else ""
    shortest, longest = (len(text.partition(".")[0]) for text in (least, most))
    if shortest == longest:
        return list(filter(None, [_between(least, most, least, ends)]))
    parts = [_between(least, None, least, ends)]
    digits = (shortest, longest - 2 if limited else max(shortest, _LONGEST - 1))
    if digits[0] <= digits[1]:
        after = f'"." [0-9]{{{places}}}' if places else ""
        parts.append(" ".join(filter(None, ["[1-9]", f"[0-9]{{{digits[0]},{digits[1]}}}", after, ends.free])))
    if limited:
        first = f"{10 ** (longest - 1):.{places}f}"
        parts.append(_between(first, most, most, ends._replace(low=ends.free, both=ends.high)))
    return list(filter(None, parts))


def _ends(low: _Bound, high: _Bound, places: int, *, whole: bool) -> _Ends:
    if whole:
        return _Ends("", "", "", "")
    digits, zeros = f"[0-9]{{0,{_MOST_DIGITS}}}", f"[0]{{0,{_MOST_DIGITS}}}"
    above = f"{digits} [1-9]"
    if not places:
        digits, zeros, above = f'("." [0-9] {digits})?', f'("." [0] {zeros})?', f'"." {above}'
    at_high = zeros if high.inclusive else None
    return _Ends(digits if low.inclusive else above, at_high, at_high if low.inclusive else None, digits)


def _between(low: str | None, high: str | None, shape: str, ends: _Ends) -> str | None:
    """Return the numbers between two texts of the length of ``shape``, with a point where it has one; None for none.

    A bound that is None holds no longer: the digits before are beyond it.
    """
    if low is not None and ends.low == ends.free and not low.strip("0."):
        low = None
    if low is None and high is None:
        return _any(shape, ends)
    if not shape:
        return ends.high if low is None else ends.low if high is None else ends.both
    if shape[0] == ".":
        rest = _between(low and low[1:], high and high[1:], shape[1:], ends)
        return None if rest is None else f'"." ({rest})'
    first, last = int(low[0]) if low is not None else 0, int(high[0]) if high is not None else 9
    if low is not None and high is not None and first == last:
        steps = [(f'"{first}"', _between(low[1:], high[1:], shape[1:], ends))]
    else:
        steps = []
        if low is not None:
            steps.append((f'"{first}"', _between(low[1:], None, shape[1:], ends)))
            first += 1
        if high is not None:
            steps.append((f'"{last}"', _between(None, high[1:], shape[1:], ends)))
            last -= 1
        if first <= last:
            steps.append((f"[{first}-{last}]", _any(shape[1:], ends)))
    return " | ".join(f"{digit} ({rest})" if rest else digit for digit, rest in steps if rest is not None) or None


def _any(shape: str, ends: _Ends) -> str:
    """Return all numbers of a shape: as many digits, and a point where it has one."""
    before, point, after = shape.partition(".")
    parts = [f"[0-9]{{{len(before)}}}" if before else "", f'"." [0-9]{{{len(after)}}}' if point else "", ends.free]
    return " ".join(filter(None, parts))
