"""A router that belongs to one application."""

from __future__ import annotations

from typing import Self

from litestar import Router


class OwnRouter(Router):
    """A router that is registered once. Litestar registers a deep copy of any other, with all that describes it."""

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self
