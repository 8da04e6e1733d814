"""Entry points are looked up once, and again when something is installed."""

from pathlib import Path

import pytest

from orbit.system.entry_points import entries


def install(folder: Path, name: str) -> None:
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[orbit-of-tests]\n{name} = {name}:Plugin\n")


def names() -> list[str]:
    return [entry.name for entry in entries("orbit-of-tests")]


def test_what_is_installed_meanwhile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names() == []
    install(tmp_path / "one", "tea")
    monkeypatch.syspath_prepend(tmp_path / "one")
    assert names() == ["tea"]
    install(tmp_path / "one", "coffee")
    assert sorted(names()) == ["coffee", "tea"]
    (tmp_path / "one" / "tea-1.0.dist-info").rename(tmp_path / "tea-1.0.dist-info")
    assert names() == ["coffee"]


def test_metadata_is_read_once_while_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend("no-such-folder")
    assert entries("orbit") is entries("orbit")
    assert entries("orbit")
