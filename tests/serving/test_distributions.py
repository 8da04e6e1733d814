"""The distributions of the host and all plugins, as a release makes them: complete, and used in a clean environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from packaging.metadata import Metadata

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT, *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]
BUILD = """
import os, sys
from hatchling.build import build_sdist, build_wheel
for folder in sys.argv[2:]:
    os.chdir(folder)
    build_sdist(sys.argv[1])
    build_wheel(sys.argv[1])
"""
OWN = re.compile(r"_?_?(editable)?_*_?orbit|zz_shared", re.IGNORECASE)
"""Entries of the tests' environment that are ORBIT itself, and not what it depends on."""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The host's as `python -m build` makes them: the wheel from the sdist. Plugins have nothing that this could lose.

    One process makes theirs, with the same back end, because `build` starts six for each.
    """
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    run(sys.executable, "-c", BUILD, str(folder), *map(str, PROJECTS[1:]))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def wheels(distributions: list[Path]) -> list[Path]:
    return [path for path in distributions if path.suffix == ".whl"]


def run(*command: str, **options: Any) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    printed: str = result.stdout
    return printed


def test_a_package_index_would_take_them(distributions: list[Path]) -> None:
    assert len(distributions) == 2 * len(PROJECTS)
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions))


def parts(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            yield name, archive.read(name) if name.endswith(("/METADATA", "/entry_points.txt")) else b""


def test_the_metadata_is_complete(wheels: list[Path]) -> None:
    assert len(wheels) == len(PROJECTS)
    for wheel in wheels:
        files = dict(parts(wheel))
        (text,) = [content for name, content in files.items() if name.endswith(".dist-info/METADATA")]
        metadata = Metadata.from_email(text, validate=True)
        assert metadata.summary, wheel.name
        assert metadata.license_expression, wheel.name
        assert metadata.keywords, wheel.name
        assert {"Typing :: Typed", "Programming Language :: Python :: 3.13"} <= set(metadata.classifiers or ())
        assert {"Documentation", "Source", "Issues", "Changelog"} <= set(metadata.project_urls or {})
        assert message_from_bytes(text)["Author"], wheel.name
        assert metadata.description_content_type == "text/markdown"
        assert (metadata.description or "").startswith("# "), wheel.name
        assert any(name.endswith("/py.typed") for name in files), wheel.name
        assert any(name.endswith("/entry_points.txt") for name in files), wheel.name
        assert not [name for name in files if name.startswith("tests/") or name.endswith((".pyc", ".gguf"))], wheel.name


def test_all_share_one_version() -> None:
    versions = {tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"] for folder in PROJECTS}
    assert len(versions) == 1


def plugins_of(wheel: Path) -> list[str]:
    (text,) = [content for name, content in parts(wheel) if name.endswith("/entry_points.txt")]
    points = ConfigParser()
    points.read_string(text.decode())
    return list(points["orbit"]) if points.has_section("orbit") else []  # an engine of ingestion is no plugin


@pytest.mark.processes
def test_they_run_in_a_clean_environment(wheels: list[Path], tmp_path: Path) -> None:
    """What they depend on comes from the tests' environment, so that nothing is downloaded."""
    python = str(tmp_path / "venv" / "bin" / "python")
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", *map(str, wheels))
    (site,) = (tmp_path / "venv" / "lib").glob("python3.*/site-packages")
    for folder in dependencies():
        for entry in folder.iterdir():
            if not OWN.match(entry.name) and entry.suffix != ".pth" and not (site / entry.name).exists():
                (site / entry.name).symlink_to(entry)
    (tmp_path / "config.yaml").write_text("echo: {}\nlexical: {collection: docs}\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def orbit(*arguments: str) -> str:
        return run(python, "-m", "orbit", *arguments, cwd=tmp_path, env=environment)

    found = run(python, "-c", "import orbit; print(orbit.__file__)", cwd=tmp_path)
    assert found.strip() == str(site / "orbit" / "__init__.py")
    listed = orbit("plugins")
    names = {line.split()[0] for line in listed.splitlines()[1:]}
    assert {name for wheel in wheels for name in plugins_of(wheel)} <= names
    assert "is valid. Enabled: echo, lexical, files." in orbit("check")
    (tmp_path / "page.md").write_text("# Pool\n\nThe pool opens at seven.\n")
    assert "1 passages written" in orbit("ingest", "page.md", "--collection", "docs")


def dependencies() -> list[Path]:
    """The folders of installed packages, also those that the environment shares with another."""
    found = [Path(sysconfig.get_paths()["purelib"])]
    for file in found[0].glob("*.pth"):
        found += [Path(line) for line in file.read_text().splitlines() if line.startswith("/") and Path(line).is_dir()]
    return [folder for folder in found if folder.name == "site-packages"]
