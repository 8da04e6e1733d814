"""A site of an intranet, whose certificate an authority of its own has signed."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from certificates import authority_pem, key_pem, make_key, signed_pem

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
    own, authority = make_key(), make_key()
    (tmp_path / "authority.pem").write_bytes(authority_pem(authority))
    (tmp_path / "site.pem").write_bytes(key_pem(own) + signed_pem(own, authority, "localhost"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "site.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handbook)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


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
