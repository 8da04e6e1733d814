"""The operator's page under attack, and when a session or the server ends."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from admin_kit import RIGHT, TOKEN, chat, choose, press, show, sign_in, signed_in

from orbit.database.keys import KeyChanges
from orbit.testing import serve

ATTACKS = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "<svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "</textarea><iframe srcdoc='<script>alert(1)</script>'>",
]


def no_markup(page: Any) -> bool:
    """Whether nothing that was entered has become an element; the tab complains if it ran."""
    return bool(page.locator("main :is(img, script, iframe, svg[onload])").count() == 0)


def test_attacks_are_shown_as_text(tab: Any, server: Any, admin: httpx.Client) -> None:
    for text in ATTACKS:
        prompt = admin.post("/admin/prompts", json={"name": text, "prompt": text, "version": text}).json()
        fields = {"client_name": text, "notes": text, "system_prompt_id": prompt["id"]}
        key = admin.post("/admin/api-keys", json=fields).json()
        chat(server, key["api_key"], text)
        earlier = KeyChanges(collection_name=text)  # a key from before there was a rule for names
        server.call(server.services.database.update_key(key["id"], earlier))
    files = [("files", (f"{text}.md", f"# {text}\n\nAn attack: `{text}`".encode())) for text in ATTACKS]
    admin.post("/admin/collections/attacked/documents", files=files).raise_for_status()
    server.settle()
    server.call(server.provider("files").flush())

    page = signed_in(tab, server)
    for section in ("Keys", "Prompts"):
        show(page, section)
        for text in ATTACKS:
            page.get_by_role("row").filter(has_text=text).first.get_by_role("button").click()
            page.get_by_role("dialog").get_by_text("Cancel").click()
        assert no_markup(page)
    show(page, "Collections")
    page.locator("main .documents summary").click()
    page.get_by_role("button", name=f"Remove {ATTACKS[0]}.md").click()
    page.get_by_role("heading", name=f"Remove {ATTACKS[0]}.md?").wait_for()
    press(page, "Cancel")
    choose(page, *((f"{text}.exe", text.encode()) for text in ATTACKS))
    page.get_by_label("Collection", exact=True).fill("attacked")
    press(page, "Upload")
    page.locator(".outcome").get_by_text("attacked: 6 skipped.").wait_for()
    assert no_markup(page)
    show(page, "Chats")
    for text in ATTACKS:
        page.locator(".chat").filter(has_text=text).first.locator("summary").click()
    assert no_markup(page)


def test_a_page_of_another_origin_can_do_nothing(tab: Any, server: Any, admin: httpx.Client) -> None:
    """Another port of the same host is the same site, so the browser sends the cookie; that must not be enough."""
    evil = f"""<!doctype html><title>evil</title><body><script type=module>
      const url = "{server.url}/admin/api-keys", body = '{{"client_name": "forged"}}';
      const tries = [
        fetch(url, {{method: "POST", credentials: "include", mode: "no-cors", body}}),
        fetch(url, {{method: "POST", credentials: "include", body, headers: {{"X-CSRF-Token": "guess"}}}}),
        fetch("{server.url}/admin/session", {{credentials: "include"}}).then((r) => r.text()),
        fetch(url, {{credentials: "include"}}).then((r) => r.text()),
      ];
      const ends = await Promise.allSettled(tries);
      document.title = JSON.stringify(ends.map((end) => end.value?.type ?? end.value ?? "refused"));
    </script><form method=post enctype="text/plain" action="{server.url}/admin/api-keys">
    <input name='{{"client_name": "forged", "notes": "' value='"}}'><button>win</button></form>"""

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(evil.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page = signed_in(tab, server, "keys", watched=False)
        sent: list[Any] = []
        page.on("request", lambda request: sent.append(request))  # noqa: PLW0108  # the driver marks what it is given
        page.goto(f"http://127.0.0.1:{other.server_port}/")
        page.wait_for_function("document.title.startsWith('[')")
        assert page.title() == '["opaque","refused","refused","refused"]'
        with page.expect_navigation() as navigation:
            page.get_by_role("button", name="win").click()
        assert navigation.value.status == 403
        assert "of another origin" in page.content()
        assert any("orbit_admin" in request.all_headers().get("cookie", "") for request in sent)
        other.shutdown()
    assert "forged" not in admin.get("/admin/api-keys").text


def test_a_session_that_ends_loses_no_text(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server, "prompts")
    press(page, "New prompt")
    page.get_by_label("Name").fill("long")
    page.get_by_label("Text").fill("A text that took an hour.")
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Discard what you have entered?").wait_for()
    page.keyboard.press("Escape")
    page.context.clear_cookies()
    press(page, "Keep the prompt")
    page.get_by_text("Your session has ended.").wait_for()
    sign_in(page)
    page.get_by_role("row").filter(has_text="long").wait_for()
    assert admin.get("/admin/prompts").json()[0]["prompt"] == "A text that took an hour."


def test_tabs_share_a_session_that_one_of_them_began_anew(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server, "prompts")
    assert page.context.request.post(f"{server.url}/admin/session", headers=RIGHT).status == 201
    press(page, "New prompt")
    page.get_by_label("Name").fill("from the older tab")
    page.get_by_label("Text").fill("Hello.")
    press(page, "Keep the prompt")
    page.get_by_role("row").filter(has_text="from the older tab").wait_for()


def test_a_server_that_is_away_is_told_in_a_sentence(tab: Any, server: Any) -> None:
    page = signed_in(tab, server, "keys", watched=False)
    page.context.set_offline(True)
    page.get_by_role("link", name="Chats").click()
    page.get_by_role("alert").get_by_text("The server cannot be reached.").wait_for()
    page.context.set_offline(False)
    press(page, "Try again")
    page.get_by_role("alert").wait_for(state="detached")


def test_the_page_keeps_to_a_strict_policy_and_needs_no_other_host(server: Any) -> None:
    response = httpx.get(f"{server.url}/admin/")
    assert response.status_code == httpx.get(f"{server.url}/admin").status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-frame-options"] == "DENY"
    assert "<style" not in response.text
    assert "http" not in response.text.replace("http-equiv", "")
    assert TOKEN not in response.text


def test_without_pages_the_api_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with serve({"echo": {}, "pages": {"enabled": False}}, tmp_path) as running:
        assert httpx.get(f"{running.url}/admin/").status_code == 404
        assert httpx.get(f"{running.url}/admin/api-keys", headers=RIGHT).status_code == 200
