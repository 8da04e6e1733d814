"""What the pages send and refuse, without a browser."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit.testing import serve

ORBIT = str(Path(sys.executable).with_name("orbit"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: Any) -> Iterator[str]:
    with serve({"echo": {}}, tmp_path_factory.mktemp("server")) as server:
        yield server.url


def assets_of(page: str) -> list[str]:
    """The addresses of the files that a page names."""
    return re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)


def test_the_chat_page_has_a_strict_policy(url: str) -> None:
    response = httpx.get(f"{url}/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert not any("unsafe" in sources or "http" in sources for sources in policy.values())
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", response.text)


def test_files_are_kept_for_ever_and_the_page_is_asked_for_again(url: str) -> None:
    page = httpx.get(f"{url}/")
    assert page.headers["cache-control"] == "no-cache"
    again = httpx.get(f"{url}/", headers={"If-None-Match": f'"other", W/{page.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]
    addresses = assets_of(page.text)
    assert len(addresses) > 10
    for address in addresses:
        file = httpx.get(url + address)
        assert file.status_code == 200
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert file.headers["content-encoding"] == "gzip"
        kinds = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
        assert file.headers["content-type"] == kinds[Path(address).suffix]
        plain = httpx.get(url + address, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == file.content
        assert plain.headers["vary"] == file.headers["vary"] == "Accept-Encoding"


def test_head_sends_no_body(url: str) -> None:
    response = httpx.head(f"{url}/")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/assets/0000000000000000/common.js",
        "{assets}/nothing.js",
        "{assets}/chat.html",
        "{assets}/../chat.py",
        "{assets}/%2e%2e/chat.py",
        "{assets}/..%2fchat.py",
        "{assets}//etc/passwd",
        "{assets}/",
        "/embed.js",
    ],
)
def test_there_is_nothing_else(url: str, path: str) -> None:
    base = assets_of(httpx.get(f"{url}/").text)[0].rsplit("/", 1)[0]
    target = path.replace("{assets}", base)
    with httpx.Client() as client:  # the path as it stands, which httpx would tidy
        request = client.build_request("GET", url, extensions={"target": target.encode()})
        response = client.send(request)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_the_schema_is_of_the_api_only(url: str) -> None:
    paths = httpx.get(f"{url}/schema/openapi.json").json()["paths"]
    assert not [path for path in paths if path == "/" or path.startswith(("/assets", "/embed"))]


def test_pages_can_be_switched_off(tmp_path: Path) -> None:
    settings = {"enabled": False, "embed_origins": ["https://www.example.org"]}
    with serve({"echo": {}, "pages": settings}, tmp_path) as server:
        assert httpx.get(f"{server.url}/").status_code == 404
        assert httpx.get(f"{server.url}/embed.js").status_code == 404
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_origins_that_may_embed_stand_in_the_policy(tmp_path: Path) -> None:
    origins = ["https://www.example.org", "http://localhost:8080"]
    with serve({"echo": {}, "pages": {"embed_origins": origins, "title": "A & B <i>"}}, tmp_path) as server:
        page = httpx.get(f"{server.url}/")
        assert f"frame-ancestors {' '.join(origins)}" in page.headers["content-security-policy"]
        assert "<title>A &amp; B &lt;i&gt;</title>" in page.text
        script = httpx.get(f"{server.url}/embed.js")
        assert script.headers["cross-origin-resource-policy"] == "cross-origin"
        assert script.headers["cache-control"] == "no-cache"


def test_check_refuses_what_is_no_origin(tmp_path: Path) -> None:
    wrong = ["*", "example.org", "https://a.example/path", "https://a.example; script-src *", "https://a.example\\n"]
    listed = ", ".join(f'"{origin}"' for origin in [*wrong, "https://fine.example:8443"])
    file = tmp_path / "config.yaml"
    file.write_text(f"pages:\n  embed_origins: [{listed}]\n")
    done = subprocess.run([ORBIT, "check", "--config", str(file)], capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert done.returncode != 0
    for number in range(len(wrong)):
        assert f"pages.embed_origins[{number}]" in told
    assert f"pages.embed_origins[{len(wrong)}]" not in told
