"""Calls functions of PDFium many times from C, with plain addresses: a call from Python takes twice as long."""

from __future__ import annotations

import ctypes
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

ADDRESS = ctypes.c_void_p
NUMBER = ctypes.c_int


def quick(function: Any, *arguments: Any, result: Any = NUMBER) -> Callable[..., Any]:
    """Return a function of PDFium that takes addresses as numbers, and keeps the interpreter while it runs."""
    return ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(function, ADDRESS).value or 0)


def address(pointer: Any) -> int:
    """Return where a thing of PDFium's is."""
    return ctypes.cast(pointer, ADDRESS).value or 0


def written(
    function: Callable[..., Any], count: int, *arguments: Iterable[Any], width: int, kind: str = "d"
) -> list[array[float]]:
    """Call a function ``count`` times and return what it writes: for each of its last ``width`` arguments, all numbers.

    What it fails to write is 0. ``kind`` is that of an array.
    """
    found = array(kind, [0.0]) * (width * count)
    start, size = found.buffer_info()[0], found.itemsize
    step = size * width
    places = [range(start + size * place, start + size * place + step * count, step) for place in range(width)]
    deque(map(function, *arguments, *places), 0)
    return [found[place::width] for place in range(width)]
