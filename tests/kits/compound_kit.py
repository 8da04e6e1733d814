"""Makes compound files, as old Office programs write them, and messages of Outlook in one."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Tree: TypeAlias = "Mapping[str, bytes | Tree]"
Properties: TypeAlias = Mapping[int, str | bytes | int]
"""Texts, bytes and numbers by the number of the property."""
_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR, _SMALL_SECTOR, _SMALL = 512, 64, 4096
_BINARY, _TEXT, _NUMBER = 0x0102, 0x001F, 0x0003
_INNER = 0x3701000D


def _padded(data: bytes, size: int) -> bytes:
    return data.ljust(-(-len(data) // size) * size, b"\0")


class _Space:
    """Sectors one after the other, with the table that chains them."""

    def __init__(self, size: int) -> None:
        self.size, self.data, self.table = size, b"", list[int]()

    def add(self, data: bytes) -> int:
        """Append a stream and return its first sector."""
        if not data:
            return _END
        start, self.data = len(self.table), self.data + _padded(data, self.size)
        self.table += [*range(start + 1, len(self.data) // self.size), _END]
        return start


def compound(tree: Tree) -> bytes:
    """A compound file of streams by name, in storages within storages."""
    large, small = _Space(_SECTOR), _Space(_SMALL_SECTOR)
    entries: list[tuple[str, int, int, int, int, int]] = []  # name, kind, next, child, start, size

    def place(inside: Tree) -> int:
        first = before = _FREE
        for name, content in inside.items():
            number = len(entries)
            if isinstance(content, bytes):
                space = small if len(content) < _SMALL else large
                entries.append((name, 2, _FREE, _FREE, space.add(content), len(content)))
            else:
                entries.append((name, 1, _FREE, _FREE, 0, 0))
                entries[number] = (name, 1, _FREE, place(content), 0, 0)
            if before == _FREE:
                first = number
            else:
                entries[before] = (*entries[before][:2], number, *entries[before][3:])
            before = number
        return first

    entries.append(("Root Entry", 5, _FREE, _FREE, 0, 0))
    child = place(tree)
    entries[0] = ("Root Entry", 5, _FREE, child, large.add(small.data), len(small.data))
    small_table = large.add(_padded(struct.pack(f"<{len(small.table)}I", *small.table), _SECTOR))
    directory = large.add(_padded(b"".join(_entry(*entry) for entry in entries), _SECTOR))
    tables = 1
    while (len(large.table) + tables) * 4 > tables * _SECTOR:
        tables += 1
    places = range(len(large.table), len(large.table) + tables)
    table = [*large.table, *[_TABLE] * tables]
    table += [_FREE] * (tables * 128 - len(table))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    small_tables = -(-len(small.table) * 4 // _SECTOR)
    header += struct.pack("<9I", 0, tables, directory, 0, _SMALL, small_table, small_tables, _END, 0)
    header += struct.pack("<109I", *places, *[_FREE] * (109 - tables))
    return header + large.data + struct.pack(f"<{len(table)}I", *table)


def _entry(name: str, kind: int, after: int, child: int, start: int, size: int) -> bytes:
    text = f"{name}\0".encode("utf-16-le")
    links = struct.pack("<III", _FREE, after, child) + bytes(36)
    return text.ljust(64, b"\0") + struct.pack("<HBB", len(text), kind, 1) + links + struct.pack("<IQ", start, size)


def message(
    properties: Properties, attachments: Sequence[Tree] = (), people: Sequence[Properties] = (), *, header: int = 32
) -> dict[str, bytes | Tree]:
    """A message of Outlook as a storage: properties by number, attachments and recipients."""
    inside: dict[str, bytes | Tree] = dict(_properties(properties, header))
    inside |= {f"__attach_version1.0_#{number:08X}": one for number, one in enumerate(attachments)}
    inside |= {f"__recip_version1.0_#{number:08X}": _properties(one, 8) for number, one in enumerate(people)}
    return inside


def attached(properties: Properties, inner: Tree | None = None) -> dict[str, bytes | Tree]:
    """An attachment: a file, or another message."""
    inside: dict[str, bytes | Tree] = dict(_properties(properties, 8))
    if inner is not None:
        inside[f"__substg1.0_{_INNER:08X}"] = inner
    return inside


def _properties(values: Properties, header: int) -> dict[str, bytes]:
    streams, table = {}, bytes(header)
    for number, value in values.items():
        if isinstance(value, int):
            table += struct.pack("<HHIII", _NUMBER, number, 6, value, 0)
            continue
        kind, data = (_TEXT, value.encode("utf-16-le")) if isinstance(value, str) else (_BINARY, value)
        streams[f"__substg1.0_{number:04X}{kind:04X}"] = data
        table += struct.pack("<HHIII", kind, number, 6, len(data), 0)
    return {**streams, "__properties_version1.0": table}
