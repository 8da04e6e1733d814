"""The examples of docs/testing-plugins.md run as they stand, without any configuration of pytest."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import orbit.testing
from orbit.testing.fakes import FAKES

PAGE = (Path(__file__).parents[2] / "docs" / "testing-plugins.md").read_text("utf-8")
CONTRACT, SERVED = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

WIKI = """
import orbit

class Wiki(orbit.Provider):
    class Settings(__import__("msgspec").Struct, forbid_unknown_fields=True, frozen=True):
        url: str = ""

    @orbit.hookimpl
    async def retrieve(self, query, limit):
        return [orbit.Document(str(number), "Tea.") for number in range(FOUND)][:LIMIT]
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def write(folder: Path, wiki: str) -> None:
    metadata = folder / "wiki-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: wiki\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[orbit]\nwiki = wiki:Wiki\n")
    (folder / "wiki.py").write_text(wiki)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    (folder / "test_contract.py").write_text(CONTRACT)


def test_a_contract_needs_no_configuration(tmp_path: Path) -> None:
    write(tmp_path, WIKI.replace("FOUND", "3").replace("LIMIT", "limit"))
    (tmp_path / "test_served.py").write_text(SERVED)
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert " failed" not in done.stdout
    assert "passed" in done.stdout


def test_also_what_trips_a_rule_is_told_in_a_sentence(tmp_path: Path) -> None:
    write(tmp_path, WIKI.replace("return [", "[").replace("FOUND", "3").replace("LIMIT", "limit"))
    done = run(tmp_path, "-k", "retrieve", "--show-capture=no")
    failed = re.findall(r"^_+ (\S+) _+$", done.stdout, re.MULTILINE)
    assert len(failed) >= 5
    assert len(re.findall(r"^Wiki breaks a promise: ", done.stdout, re.MULTILINE)) == len(failed)
    assert "but it returned None; return a list" in done.stdout
    assert "what came cannot be used: TypeError: 'NoneType' object is not iterable" in done.stdout
    assert not re.search(r"^E  ", done.stdout, re.MULTILINE)


def test_the_sentence_of_the_guide(tmp_path: Path) -> None:
    write(tmp_path, WIKI.replace("FOUND", "3").replace("LIMIT", ""))
    done = run(tmp_path, "-k", "limit")
    told = " ".join(re.findall(r"^```text\n(Wiki breaks.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0].split())
    assert told in done.stdout
    assert "Traceback" not in done.stdout


def test_the_plugin_of_pytest_imports_nothing_heavy() -> None:
    code = "import sys, pytest, orbit.testing.pytest_plugin; print([m for m in sys.modules if m in %r])"
    heavy = ("litestar", "httpx", "numpy", "uvicorn", "pytest_asyncio", "orbit.host.host", "orbit.testing.fakes")
    done = subprocess.run([sys.executable, "-c", code % (heavy,)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_host_runs_without_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; sys.modules['pytest_asyncio'] = None;"
        "import orbit.testing; orbit.testing.Echo, orbit.testing.serve; print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "fine", done.stderr


@pytest.mark.parametrize("name", orbit.testing.__all__)
def test_all_names_are_there_and_sorted(name: str) -> None:
    assert getattr(orbit.testing, name) is not None
    assert orbit.testing.__all__ == sorted(orbit.testing.__all__)


def test_the_guide_lists_every_fake_and_contract() -> None:
    for name, kind in FAKES.items():
        assert f"| `{name}` | `{kind.__name__}` |" in PAGE
    for name in orbit.testing.__all__:
        if name.startswith("Base"):
            assert f"`{name}`" in PAGE


def test_the_guide_names_every_fixture() -> None:
    from orbit.testing import contract

    own = {"promise", "make", "make_down", "subject", "down", "loaded", "wrapped"}
    for kind in (getattr(contract, name) for name in contract.__all__):
        for name in dir(kind):
            if type(getattr(kind, name)).__name__ == "FixtureFunctionDefinition" and name not in own:
                assert f"`{name}`" in PAGE, name
