"""Plugins as people install them: a module and the metadata of its distribution on the path."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one plugin: ``install("wiki", source, name="wiki", version="1.0")``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules: list[str] = []

    def make(distribution: str, source: str, name: str = "", *, target: str = "Plugin", version: str = "1.0") -> Path:
        module = distribution.replace("-", "_")
        modules.append(module)
        (site / f"{module}.py").write_text("import orbit\nimport msgspec\n" + textwrap.dedent(source))
        metadata = site / f"{module}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(f"[orbit]\n{name or module} = {module}:{target}\n")
        return site

    yield make
    for module in modules:
        sys.modules.pop(module, None)
