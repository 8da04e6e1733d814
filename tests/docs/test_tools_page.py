"""The page about tools: its provider keeps the contract and serves, and its configuration holds."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from host_tools import Talker, calls
from ruamel.yaml import YAML

import orbit
from orbit.testing import serve
from orbit.testing.contract import BaseToolsContract

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text("utf-8")
PROVIDER, CONTRACT, SERVED = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(CONFIG,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SCOPE: dict[str, Any] = {"__name__": __name__, "orbit": orbit, "pytest": pytest}
exec(PROVIDER, SCOPE)
Stock: type[orbit.Provider] = SCOPE["Stock"]
exec(SERVED, SCOPE)
test_a_model_calls_the_tool = SCOPE["test_a_model_calls_the_tool"]
"""The test with a real server, as the page shows it."""


class TestStock(BaseToolsContract):
    """The contract as the page shows it."""

    @pytest.fixture
    def provider_class(self) -> type[orbit.Provider]:
        return Stock

    @pytest.fixture
    def tool_call(self) -> orbit.ToolCall:
        return orbit.ToolCall("call_1", "stock", '{"article": "lamp"}')


def test_the_page_shows_this_contract() -> None:
    assert "class TestStock(BaseToolsContract)" in CONTRACT
    assert len([line for line in PROVIDER.splitlines() if line.strip() and "import" not in line]) <= 20


@pytest.mark.parametrize(("client", "result"), [("lamp", "12 pieces."), ("sofa", "There is no such article.")])
def test_a_model_uses_it_with_the_configuration_of_the_page(tmp_path: Path, client: str, result: str) -> None:
    config = YAML(typ="safe", pure=True).load(CONFIG)
    sections = {"talker": {}, "stock": {}, **config}
    with serve(sections, tmp_path, {"talker": Talker, "stock": Stock}) as server:
        server.provider("talker").lines = [calls("stock", arguments=f'{{"article": "{client}"}}')]
        body = {"message": "How many?", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=20).json()
    assert answer["response"].startswith(f"It says: {result}")
