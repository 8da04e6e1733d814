"""The contract of providers of tools, with a stand-in server as a process."""

from typing import Any

import pytest
from mcp_kit import process

from orbit import ToolCall
from orbit.testing.contract import BaseToolsContract


class TestTools(BaseToolsContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "mcp"

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"servers": {"odd": process(tools=["echo", "fail", "image", "add.two/numbers"])}, "wait": 60}

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return {"servers": {"odd": {"url": "http://127.0.0.1:9/mcp"}}}

    @pytest.fixture
    def tool_call(self) -> ToolCall:
        return ToolCall("call_1", "odd_echo", '{"text": "hello"}')
