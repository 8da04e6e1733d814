"""The tables of settings in the READMEs and pages are those of the code."""

from __future__ import annotations

import typing
from pathlib import Path

import msgspec
import pytest
from orbit_ollama import OllamaSettings
from orbit_safety import SafetySettings

from orbit.builtin.reranker import RerankerSettings

ROOT = Path(__file__).parents[3]

PAGES: dict[str, type[msgspec.Struct]] = {
    "plugins/orbit_ollama/README.md": OllamaSettings,
    "plugins/orbit_safety/README.md": SafetySettings,
    "docs/reranking.md": RerankerSettings,
}


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_is_in_the_table_with_its_description(page: str) -> None:
    settings = PAGES[page]
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    names = [field.name for field in msgspec.structs.fields(settings)]

    assert [name for name in rows if name in names] == names
    for name, hint in typing.get_type_hints(settings, include_extras=True).items():
        described = [meta.description for meta in hint.__metadata__ if isinstance(meta, msgspec.Meta)]
        assert rows[name].endswith(f"| {described[-1]} |")
