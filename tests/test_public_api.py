"""What plugins may import, and what importing costs."""

import ast
import inspect
import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import orbit

HEAVY = (
    *("litestar", "uvicorn", "chromadb", "llama_cpp", "numpy", "ollama", "elasticsearch", "wordllama", "aiosqlite"),
    *("httpx", "pymongo", "beanie"),
)
PLUGINS = sorted({entry.module for entry in entry_points(group="orbit")})


def heavy_imports(code: str) -> list[str]:
    """Run code in a fresh interpreter; return which heavy packages it imported."""
    script = f"import json, sys\n{code}\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_all_is_sorted_without_duplicates_and_there() -> None:
    def constants_first(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2), name

    assert orbit.__all__ == sorted(set(orbit.__all__), key=constants_first)
    for name in orbit.__all__:
        assert getattr(orbit, name) is not None


def test_all_is_complete() -> None:
    named = {name for name, value in vars(orbit).items() if not name.startswith("_") and not _is_module(value)}
    assert named - {"TYPE_CHECKING"} | {"Vectors"} == set(orbit.__all__)


def test_every_type_of_a_hook_is_public() -> None:
    from orbit import hookspecs, types

    structs = {
        name for name, value in vars(types).items() if isinstance(value, type) and value.__module__ == "orbit.types"
    }
    assert structs <= set(orbit.__all__)
    wanted = {node.id for node in ast.walk(ast.parse(inspect.getsource(hookspecs))) if isinstance(node, ast.Name)}
    assert wanted & set(inspect.get_annotations(types)) <= set(orbit.__all__)
    assert hookspecs.hookimpl is orbit.hookimpl


def test_importing_orbit_is_light() -> None:
    assert heavy_imports("import orbit") == []


@pytest.mark.parametrize("package", PLUGINS)
def test_importing_a_plugin_is_light(package: str) -> None:
    assert heavy_imports(f"import {package}") == []


def test_help_imports_nothing_heavy() -> None:
    lines = ("from click.testing import CliRunner", "from orbit.cli import orbit")
    code = "\n".join((*lines, "assert CliRunner().invoke(orbit, ['--help']).exit_code == 0"))
    assert heavy_imports(code) == []


def _is_module(value: object) -> bool:
    return isinstance(value, type(sys))
