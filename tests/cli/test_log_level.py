"""``orbit log-level`` on its own; tests/serving/test_reload.py changes the level of servers."""

from pathlib import Path
from typing import get_args

import pytest
from cli_kit import runner

from orbit.cli.log_level import LEVELS
from orbit.config.model import LogLevel


def test_without_a_server_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORBIT_URL", raising=False)
    (tmp_path / "config.yaml").write_text("general: {port: 1, data_dir: state}\nscript: {}\n")
    assert "No server has used the data folder" in runner()("log-level", "DEBUG", code=3).stderr


def test_the_levels_are_those_of_the_configuration() -> None:
    assert get_args(LogLevel) == LEVELS
