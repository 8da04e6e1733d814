"""A stand-in web site on loopback: pages by path, with ETags, redirects, failures and a record of what was asked."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import msgspec
from loopback import served


class Page(msgspec.Struct, frozen=True):
    """What a path gives: ``{site}`` in it is the site's address. ``moved`` is where it redirects to."""

    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    moved: str = ""
    tagged: bool = True
    zipped: bool = False
    headers: Mapping[str, str] = {}


def html(text: str, *links: str, head: str = "") -> Page:
    """A page with a text and links."""
    anchors = "".join(f'<a href="{link}">{link}</a> ' for link in links)
    return Page(f"<!doctype html><head>{head}</head><main><p>{text}</p></main><nav>{anchors}</nav>".encode())


class Site:
    """Pages by path, with the query. ``asked`` has the paths of all requests, ``sent`` those answered with a body."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.sent: list[str] = []
        self.agents: set[str] = set()
        self.tokens: set[str] = set()
        self.url = ""


@contextmanager
def site(pages: Mapping[str, Page]) -> Iterator[Site]:
    """Serve a site on a free port."""
    state = Site()
    state.pages = dict(pages)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            state.asked.append(self.path)
            state.agents.add(self.headers.get("User-Agent", ""))
            state.tokens.add(self.headers.get("Authorization", ""))
            page = state.pages.get(self.path, Page(b"nothing here", "text/plain", 404))
            body = page.body.replace(b"{site}", state.url.encode())
            body = gzip.compress(body) if page.zipped else body
            tag = f'"{hashlib.sha256(page.body).hexdigest()[:16]}"'
            status, headers = page.status, dict(page.headers)
            if page.moved:
                status, headers["Location"] = 302, page.moved
            if page.tagged and status == 200:
                headers["ETag"] = tag
                if self.headers.get("If-None-Match") == tag:
                    status, body = 304, b""
            if status == 200:
                state.sent.append(self.path)
            self.send_response(status)
            for name, value in ({"Content-Type": page.kind} | headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with served(Handler) as state.url:
        yield state
