"""What the operator's page shows of the tools that an answer took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from admin_kit import TOKEN, chat, signed_in
from host_tools import Talker, calls, says
from mcp_kit import process

from orbit.testing import serve


def test_the_trace_of_a_chat_shows_each_call(tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    config = {
        "talker": {},
        "mcp": {"servers": {"odd": process(), "lost": process("exit")}, "wait": 60},
        "logging": {"file": {"enabled": True, "directory": str(tmp_path / "logs")}},
    }
    with serve(config, tmp_path, {"talker": Talker}) as server:
        talker: Talker = server.provider("talker")
        arguments = '{"text": "<b>hi</b>"}'
        talker.lines = [calls("odd_echo", "odd_fail", "odd_nothing", arguments=arguments), says("Done.")]
        assert chat(server, server.key, "Who echoes?").json()["response"] == "Done."
        server.settle()
        server.call(server.provider("files").flush())
        page = signed_in(tab, server)
        health = page.get_by_role("table", name="Components of the server")
        health.get_by_role("row").filter(has_text="it ended (no licence found)").wait_for()
        page.get_by_role("link", name="Chats").click()
        record = page.locator(".chat").filter(has_text="Who echoes?")
        record.locator("summary").click()
        shown = record.locator("dd").filter(has_text="odd_echo")
        echo, failed, refused = shown.inner_text().splitlines()
        assert echo.startswith(f"odd_echo {arguments} (")
        assert echo.endswith("s): echo: <b>hi</b>")
        assert "(error, " in failed
        assert failed.endswith("the disk is full")
        assert "(refused)" in refused
        assert "There is no tool 'odd_nothing'" in refused
