"""Imports point one way, as docs/architecture.md says."""

import ast
from pathlib import Path

import pytest

ORBIT = Path(__file__).parents[1] / "orbit"
PUBLIC = {
    *("errors", "filters", "hookspecs", "provider", "sanitize", "stores", "thinking", "tokens", "types"),
    "upstreams",
}
FLOORS = (
    {"__main__"},
    {"cli", "testing"},
    {"evaluation"},
    {"scaffold"},
    {"serving"},
    {"web"},
    {"admin", "chat"},
    {"auth", "documents", "observing"},
    {"database", "host"},
    {"builtin", "chatlog"},
    {"config"},
    {"system"},
    {"__init__"},
    PUBLIC,
)
"""Rooms from the top floor down. A file may import its own room and the floors below."""

FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(ORBIT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ORBIT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms that a file imports from."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "orbit":
                rooms.add(parts[1] if len(parts) > 1 and parts[1] in FLOOR else "__init__")
    return rooms


def test_every_room_has_its_floor() -> None:
    assert {room_of(path) for path in FILES} == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ORBIT)))
def test_no_import_leads_up(path: Path) -> None:
    own = room_of(path)
    if own in PUBLIC or own == "__init__":
        assert imported(path) <= PUBLIC | {"__init__"}
        return
    for room in imported(path) - {own}:
        assert FLOOR[room] > FLOOR[own], f"{own} imports {room}"
