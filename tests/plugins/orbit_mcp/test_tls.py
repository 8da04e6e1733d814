"""A server whose certificate an authority of its own has signed."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from certificates import over_tls

from orbit.testing.hosting import host, make_host


class Closed(BaseHTTPRequestHandler):
    """Refuses every request that reaches it."""

    def do_POST(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The address of the server. The certificate of the authority is in ``authority.pem``."""
    with over_tls(Closed, tmp_path) as address:
        yield f"{address}/mcp"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "certificate verify failed: unable to get local issuer certificate. Set ca_certs to the certificate of"),
        ({"ca_certs": "authority.pem"}, "403"),
        ({"verify_certs": False}, "403"),
    ],
    ids=["unknown", "trusted", "unverified"],
)
async def test_the_reason_is_the_certificate_s(tmp_path: Path, url: str, settings: dict[str, Any], reason: str) -> None:
    given = {name: str(tmp_path / value) if name == "ca_certs" else value for name, value in settings.items()}
    config = {"mcp": {"servers": {"odd": {"url": url, **given}}, "wait": 60}, "echo": {}}
    async with host(config, tmp_path / "data") as running:
        detail = (await running.registry["mcp"].health()).detail
    assert reason in detail
    assert "_ssl.c" not in detail


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"url": "https://b/mcp", "ca_certs": "gone.pem"}, "servers.x.ca_certs: the file 'gone.pem' does not exist."),
        ({"command": "a", "ca_certs": "b"}, "servers.x.ca_certs: has no meaning for a server with a command."),
    ],
)
def test_mistakes_are_found_before_the_start(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    found = make_host({"mcp": {"servers": {"x": settings}}, "echo": {}}, tmp_path).problems
    assert any(sentence in str(problem) for problem in found), found
