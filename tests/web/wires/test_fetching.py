"""Images by address: only from allowed hosts, never from private addresses."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tools_model import PIXEL, ToolsModel

from orbit.testing import serve
from orbit.upstreams import is_public
from orbit.web.wires import fetching


class Gallery(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        target = {"/away": "http://10.0.0.1/x.png", "/loop": "/loop", "/moved": "/a.png"}.get(self.path)
        found = {"/a.png": PIXEL, "/page": b"<html>", "/big.png": PIXEL + b"x" * 10_000}.get(self.path)
        self.send_response(302 if target else 200 if found else 404)
        if target:
            self.send_header("Location", target)
        self.end_headers()
        self.wfile.write(found or b"")

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gallery) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def ask(server: Any, url: str) -> Any:
    content: Any = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}}]
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=server.key, max_retries=0, _strict_response_validation=True
    ) as api:
        return api.chat.completions.create(model="orbit", messages=[{"role": "user", "content": content}])


def served(tmp_path: Path, *hosts: str) -> Any:
    general = {"image_hosts": list(hosts)}
    limits = {"max_attached_bytes": 5000}
    return serve({"tools_model": {}, "general": general, "limits": limits}, tmp_path, {"tools_model": ToolsModel})


def test_private_addresses_are_never_fetched(tmp_path: Path, gallery: str) -> None:
    port = gallery.rpartition(":")[2]
    with served(tmp_path, "*") as server:
        for url in (
            f"{gallery}/a.png",
            f"http://localhost:{port}/a.png",
            f"http://2130706433:{port}/a.png",
            f"http://[::1]:{port}/a.png",
            f"http://[::ffff:127.0.0.1]:{port}/a.png",
            "http://10.1.2.3/a.png",
            "http://169.254.169.254/latest/meta-data/",
            "http://0.0.0.0/a.png",
        ):
            with pytest.raises(openai.BadRequestError, match="cannot be used") as raised:
                ask(server, url)
            assert raised.value.param == "messages[0].content[0].image_url"
            assert "127.0.0.1" not in raised.value.message


def test_a_redirect_to_a_private_address_is_not_followed(
    tmp_path: Path, gallery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    with served(tmp_path, "*") as server, pytest.raises(openai.BadRequestError, match="not on the public internet"):
        ask(server, f"{gallery}/away")


def test_other_hosts_are_not_asked(tmp_path: Path, gallery: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "is_public", lambda address: True)  # as if loopback were public
    with served(tmp_path, "images.example.com") as server:
        with pytest.raises(openai.BadRequestError, match="from that host"):
            ask(server, f"{gallery}/a.png")
        with pytest.raises(openai.BadRequestError, match="begin with http"):
            ask(server, "http://user:secret@images.example.com/a.png")


def test_allowed_images_reach_the_model(tmp_path: Path, gallery: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    with served(tmp_path, "127.0.0.1") as server:
        for path in ("/a.png", "/moved"):
            ask(server, gallery + path)
            (image,) = server.provider("tools_model").seen[-1][0][-1].parts
            assert (image.data, image.media_type, image.detail) == (PIXEL, "image/png", "low")
        for path, said in (
            ("/away", "from that host"),
            ("/loop", "redirects too often"),
            ("/page", "not a PNG"),
            ("/none", "status 404"),
            ("/big.png", "more than 5000"),
        ):
            with pytest.raises(openai.BadRequestError, match=said):
                ask(server, gallery + path)


def test_images_of_messages(tmp_path: Path, gallery: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the results of tools, and once for each address."""
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    picture = {"type": "image", "source": {"type": "url", "url": f"{gallery}/a.png"}}
    call = {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": [picture]}
    turns: list[Any] = [
        {"role": "user", "content": [picture]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    body: dict[str, Any] = {"model": "orbit", "max_tokens": 9, "messages": turns}
    with served(tmp_path, "127.0.0.1") as server:
        url, headers = f"{server.url}/v1/messages", {"x-api-key": server.key}
        assert httpx.post(url, json=body, headers=headers, timeout=30).status_code == 200
        _, question, _, seen = server.provider("tools_model").seen[-1][0]
        assert [part.data for part in (*question.parts, *seen.parts)] == [PIXEL, PIXEL]
        picture["source"] = {"type": "url", "url": f"{gallery}/page"}
        refused = httpx.post(url, json=body, headers=headers, timeout=30)
    assert refused.status_code == 400
    assert refused.json()["error"]["details"]["param"] == "messages.0.content.0.source"
    assert "not a PNG" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:0a00:0001::1", False),
    ],
)
def test_public_addresses(address: str, *, public: bool) -> None:
    assert is_public(address) == public
