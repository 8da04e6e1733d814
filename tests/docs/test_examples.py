"""The examples are installed as packages and pass their own tests; the tutorial shows them as they are."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/pyproject.toml"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all examples as pip would unpack their wheels."""
    site = tmp_path_factory.mktemp("site")
    wheels = tmp_path_factory.mktemp("wheels")
    for folder in FOLDERS:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return site


def test_the_examples_pass_their_own_tests(site: Path, tmp_path: Path) -> None:
    assert len(FOLDERS) == 5
    for file in EXAMPLES.rglob("test_*.py"):  # away from the sources: what is installed is tested
        shutil.copy(file, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider"]
    options = ["-W", "error", "-o", "asyncio_default_fixture_loop_scope=function", f"--rootdir={tmp_path}"]
    done = subprocess.run(
        [*command, *options, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "PytestUnknownMark" not in done.stdout


def test_the_examples_are_typed_strictly() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--config-file="]
    modules = [next(path for path in folder.glob("orbit_*") if path.suffix in ("", ".py")) for folder in FOLDERS]
    environment = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, FOLDERS))}
    done = subprocess.run(
        [*command, *map(str, modules)], env=environment, capture_output=True, text=True, check=False, cwd=EXAMPLES
    )
    assert done.returncode == 0, done.stdout


def test_a_minimal_plugin_is_short() -> None:
    lines = (EXAMPLES / "orbit_hello" / "orbit_hello.py").read_text("utf-8").splitlines()
    assert len(lines) <= 30, "settings included"


def code_shown(page: str) -> dict[str, str]:
    """The code of a page by the file it is from; a page may show a file in several parts."""
    shown: dict[str, str] = {}
    for name, code in re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        shown[name] = shown.get(name, "") + code
    return shown


def without_empty_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_the_tutorial_shows_the_files_as_they_are() -> None:
    shown = code_shown((ROOT / "docs" / "writing-a-plugin.md").read_text("utf-8"))
    assert {name.partition("/")[0] for name in shown} == {"orbit_hello", "orbit_markdown"}
    for name, code in shown.items():
        assert without_empty_lines(code) == without_empty_lines((EXAMPLES / name).read_text("utf-8")), name
