"""A site of an intranet, whose certificate an authority of its own has signed."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from certificates import over_tls

from orbit import CallContext
from orbit.documents import Memory, Options, sync
from orbit.testing.hosting import make_host

CONTEXT = CallContext("sync")


class Handbook(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<title>Handbook</title><p>The canteen opens at noon."
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def intranet(tmp_path: Path) -> Iterator[str]:
    """The address of the site. The certificate of the authority is in ``authority.pem``."""
    with over_tls(Handbook, tmp_path) as address:
        yield f"{address}/"


async def crawled(tmp_path: Path, settings: dict[str, Any]) -> Any:
    section = {"private": True, "delay": 0, "sitemaps": False, **settings}
    host = make_host({"echo": {}, "lexical": {}, "web": section, "ingest": {"readers": 1}}, tmp_path / "data")
    async with host:
        work = (host, "web", "docs", lambda known: host.fetch("web", known, CONTEXT))
        return await sync(
            *work, host.config.host.ingest, CONTEXT, Memory.of(tmp_path / "data"), Options(plugins=host.file_plugins)
        )


async def test_a_site_with_an_authority_of_its_own_is_read(intranet: str, tmp_path: Path) -> None:
    outcome = await crawled(tmp_path, {"start": [intranet], "ca_certs": str(tmp_path / "authority.pem")})
    assert (outcome.incomplete, len(outcome.summary.added)) == ("", 1)


async def test_without_the_authority_nothing_is_read_and_the_reason_is_named(intranet: str, tmp_path: Path) -> None:
    outcome = await crawled(tmp_path, {"start": [intranet]})
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.incomplete or "certificate" in outcome.incomplete
    assert outcome.summary is None or outcome.summary.added == ()


def test_a_file_of_authorities_that_is_missing_is_named(tmp_path: Path) -> None:
    made = make_host({"echo": {}, "web": {"start": ["https://host/"], "ca_certs": "gone.pem"}}, tmp_path)
    with pytest.raises(Exception, match=r"the file 'gone\.pem' does not exist"):
        made.raise_problems()
