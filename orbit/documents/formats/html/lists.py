"""Numbers that browsers show before the items of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orbit.documents.formats.list_labels import BULLET, FORMS, formatted

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_MOST_DIGITS = 9


class ListNumbers:
    """The items of one list, counted as browsers do: ``start``, ``reversed`` and ``value`` included."""

    def __init__(self, node: LexborNode) -> None:
        self._numbered = node.tag == "ol"
        self._form = FORMS.get(node.attributes.get("type") or "", "decimal")
        self._step = -1 if "reversed" in node.attributes else 1
        items = sum(child.tag == "li" for child in node.iter()) if self._step < 0 else 1
        self._next = _number(node, "start", items)

    def next(self, item: LexborNode) -> str:
        """Return the mark of the next item: a number, or a dash in a list without numbers."""
        if not self._numbered:
            return BULLET
        number = _number(item, "value", self._next)
        self._next = number + self._step
        return f"{formatted(number, self._form)}."


def _number(node: LexborNode, name: str, default: int) -> int:
    value = (node.attributes.get(name) or "").strip()
    digits = value.removeprefix("-")
    return int(value) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else default
