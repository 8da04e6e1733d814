"""The contract of moderate, and a refusal from the client's view."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import ConfigError
from orbit.testing import BaseModerateContract, make_host, serve

SETTINGS = {"refuse": {"card number": r"\b\d{4}( ?\d{4}){3}\b"}, "stages": ["input", "output"]}
CARD = "My card is 1234 5678 9012 3456."


class TestModerate(BaseModerateContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "patterns"

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return SETTINGS

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"echo": {}}

    @pytest.fixture
    def refused(self) -> str:
        return CARD


def test_a_client_is_refused(tmp_path: Path) -> None:
    settings = {**SETTINGS, "message": "Please keep that to yourself."}
    with serve({"echo": {}, "patterns": settings}, tmp_path) as server:
        body = {"message": CARD, "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
    assert answer["response"] == "Please keep that to yourself."


def test_a_wrong_pattern_is_told_before_anything_starts(tmp_path: Path) -> None:
    host = make_host({"echo": {}, "patterns": {"refuse": {"brackets": "("}}}, tmp_path)
    with pytest.raises(ConfigError, match=r"refuse.brackets: '\(' is not a valid regular expression"):
        host.raise_problems()
