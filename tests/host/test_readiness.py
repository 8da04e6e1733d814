"""Which providers a server cannot do without, by what they do and who else can do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import orbit
from orbit.host.readiness import missed
from orbit.testing import host

MODELS = {
    "default": "fast",
    "fast": {"provider": ["one", "two"]},
    "large": {"provider": "two", "fallback": "last"},
    "last": {"provider": "three"},
}
CONFIG: dict[str, Any] = {
    **{name: {"use": "script"} for name in ("one", "two", "three", "unused")},
    "general": {"inference_provider": "one"},
    "models": MODELS,
    "shelf": {},
    "has_tools": {},
}


class HasTools(orbit.Provider):
    """Has a tool."""

    ORBIT_API = 2

    @orbit.hookimpl
    async def tools(self) -> list[orbit.Tool]:
        return []

    @orbit.hookimpl
    async def call_tool(self, call: orbit.ToolCall) -> orbit.ToolResult:
        return orbit.ToolResult(call.name)


class Judges(orbit.Provider):
    """Asks whomever is selected."""

    def needs(self) -> tuple[orbit.Need, ...]:
        return (orbit.Need("generate"),)

    @orbit.hookimpl
    async def moderate(self) -> orbit.Verdict:
        return orbit.Verdict(allowed=True)


class Writes(orbit.Provider):
    """Also embeds."""

    @orbit.hookimpl
    async def generate(self) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("x", finish_reason="stop")

    @orbit.hookimpl
    async def embed(self) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("config", "down", "expected"),
    [
        ({}, "", ""),
        ({}, "one", ""),
        ({}, "two", ""),
        ({}, "three", "three"),  # nobody else has the model last
        ({}, "one two", "one two"),
        ({}, "two three", "two three"),
        ({}, "one three", "three"),
        ({}, "has_tools", ""),
        ({}, "shelf", "shelf"),
        ({"has_tools": {"required": True}}, "has_tools", "has_tools"),
        ({"one": {"use": "script", "required": True}}, "one", "one"),
        ({"retrieval": {"rewriter": "two"}}, "two", "two"),
        ({"retrieval": {"rewriter": "fast"}}, "two", ""),
        ({"judges": {}}, "one", "one"),
        ({"one": {"use": "writes"}}, "one", "one"),
        ({"models": {}}, "one", "one"),
    ],
)
async def test_what_is_missed(tmp_path: Path, config: dict[str, Any], down: str, expected: str) -> None:
    plugins: dict[str, type[orbit.Provider]] = {"has_tools": HasTools, "judges": Judges, "writes": Writes}
    async with host({**CONFIG, **config}, tmp_path, plugins) as running:
        assert missed(running, down.split()) == frozenset(expected.split())
