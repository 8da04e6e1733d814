"""First-party plugins are built from what any plugin may use: the public modules of ORBIT, and their public names."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import orbit

ROOT = Path(__file__).parents[2]
FILES = sorted(
    file for file in (ROOT / "plugins").glob("*/**/*.py") if not {"build", ".venv", "dist"} & set(file.parts)
)
PUBLIC = set(
    re.findall(
        r"`(?:import )?(orbit(?:\.[a-z]+)*)`", re.split("## ", (ROOT / "docs/compatibility.md").read_text("utf-8"))[1]
    )
)
"""The modules that docs/compatibility.md calls public."""


def private_uses(tree: ast.AST) -> Iterator[str]:
    """Yield each use of something in ``orbit`` that is not public, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("orbit.") and alias.name not in PUBLIC:
                    yield f"line {node.lineno}: import {alias.name}"
        elif isinstance(node, ast.ImportFrom) and re.match(r"orbit(\.|$)", node.module or "") and not node.level:
            names = [alias.name for alias in node.names]
            public = import_module(node.module).__all__ if node.module and node.module in PUBLIC else ()
            if hidden := [name for name in names if name not in public]:
                yield f"line {node.lineno}: from {node.module} import {', '.join(hidden)}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "orbit" and node.attr not in orbit.__all__:
            yield f"line {node.lineno}: orbit.{node.attr}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT / "plugins")))
def test_plugins_use_public_names_only(file: Path) -> None:
    assert list(private_uses(ast.parse(file.read_text("utf-8")))) == []


def test_private_names_are_found() -> None:
    text = (
        "import orbit.host\nfrom orbit.types import Chunk\nfrom orbit.sanitize import json\norbit.types\nimport orbit"
    )
    assert list(private_uses(ast.parse(text))) == [
        "line 1: import orbit.host",
        "line 2: from orbit.types import Chunk",
        "line 3: from orbit.sanitize import json",
        "line 4: orbit.types",
    ]


def test_the_page_names_public_modules() -> None:
    assert {
        "orbit",
        "orbit.testing",
        "orbit.upstreams",
        "orbit.chatlog",
        "orbit.sanitize",
        "orbit.stores",
    } <= PUBLIC
    for module in PUBLIC:
        assert import_module(module).__all__
