"""The operator's page as people use it, in a real browser, against a real server with real documents."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit.testing import serve

TOKEN = "the-administrators-own-token"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
CONFIG = {
    "script": {"words": 3},
    "guard": {},
    "chroma": {},
    "wordllama": {},
    "general": {"inference_provider": "script", "embedding_provider": "wordllama"},
}
ATTACKS = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "<svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "</textarea><iframe srcdoc='<script>alert(1)</script>'>",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("admin")
    log = {"file": {"enabled": True, "directory": str(folder / "logs")}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
        with serve({**CONFIG, "logging": log}, folder) as running:
            yield running


@pytest.fixture
def admin(server: Any) -> Iterator[httpx.Client]:
    """The API beside the page, to look at what the page did."""
    with httpx.Client(base_url=server.url, headers=RIGHT, timeout=30) as client:
        yield client
        for key in client.get("/admin/api-keys?limit=1000").json():
            if key["client_name"] != "test":
                client.delete(f"/admin/api-keys/{key['id']}")
        for prompt in client.get("/admin/prompts?limit=1000").json():
            client.delete(f"/admin/prompts/{prompt['id']}?force=true")
        for collection in client.get("/admin/collections").json()["collections"]:
            name = collection["name"]
            client.delete(f"/admin/collections/{name}", params={"confirm": name})


def signed_in(tab: Any, server: Any, section: str = "", **options: Any) -> Any:
    """A tab on a section of the page, with a session."""
    page = tab(**options)
    assert page.context.request.post(f"{server.url}/admin/session", headers=RIGHT).status == 201
    page.goto(f"{server.url}/admin/{section and '#'}{section}")
    page.get_by_role("heading", level=1).wait_for()
    page.locator("[aria-busy]").wait_for(state="detached")
    return page


def sign_in(page: Any, token: str = TOKEN) -> None:
    page.get_by_label("Admin token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def show(page: Any, section: str) -> None:
    """Go to a section and wait until it is there."""
    page.get_by_role("link", name=section, exact=True).click()
    page.get_by_role("heading", level=1, name=section).wait_for()
    page.locator("[aria-busy]").wait_for(state="detached")


def no_markup(page: Any) -> bool:
    """Whether nothing that was entered has become an element; the tab complains if it ran."""
    return bool(page.locator("main :is(img, script, iframe, svg[onload])").count() == 0)


def press(page: Any, name: str, **options: Any) -> None:
    page.get_by_role("button", name=name, exact=True, **options).click()


def chat(server: Any, key: str, message: str = "hello") -> httpx.Response:
    question = {"message": message, "stream": False}
    return httpx.post(f"{server.url}/chat", json=question, headers={"X-API-Key": key}, timeout=30)


def shown_secret(page: Any) -> str:
    """The key in the dialog that shows it, which is then closed."""
    field = page.get_by_label("API key", exact=True)
    field.wait_for()
    secret: str = field.input_value()
    press(page, "Done")
    field.wait_for(state="detached")
    return secret


def choose(page: Any, *files: tuple[str, bytes]) -> None:
    """Give files to the form of uploads."""
    chosen = [{"name": name, "mimeType": "application/octet-stream", "buffer": content} for name, content in files]
    page.locator("input[type=file][accept]").set_input_files(chosen)


def test_signing_in_and_out(tab: Any, server: Any) -> None:
    page = tab()
    page.goto(f"{server.url}/admin/")
    sign_in(page, "wrong")
    assert page.get_by_role("alert").inner_text() == "This is not the admin token."
    sign_in(page, "no header carries this: ö")
    assert page.get_by_role("alert").inner_text() == "This is not the admin token."
    sign_in(page, server.key)
    page.get_by_text("An API key of a client is not enough here").wait_for()
    for _ in range(3):
        page.keyboard.press("Escape")
    assert page.get_by_label("Admin token").is_visible()
    sign_in(page)
    page.get_by_role("heading", name="Overview").wait_for()
    page.reload()
    page.get_by_role("heading", name="Overview").wait_for()
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert kept == '[{},{},""]'
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("heading", name="Keys").wait_for()
    press(page, "Sign out")
    page.get_by_label("Admin token").wait_for()
    assert page.url == f"{server.url}/admin/"
    assert page.context.request.get(f"{server.url}/admin/api-keys").status == 401


def test_a_key_from_its_making_to_its_end(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server, "keys", permissions=["clipboard-read", "clipboard-write"])
    press(page, "New key")
    page.get_by_label("Client").fill("City portal")
    page.get_by_label("Requests per minute").fill("3")
    page.get_by_label("Notes").fill("for the portal")
    press(page, "Make the key")
    press(page, "Copy")
    page.get_by_role("button", name="Copied").wait_for()
    for _ in range(3):
        page.keyboard.press("Escape")  # a secret is not lost that easily
    secret = shown_secret(page)
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert secret not in page.content()
    row = page.get_by_role("row").filter(has_text="City portal")
    assert row.get_by_role("cell").nth(3).inner_text() == "3 / min"
    assert chat(server, secret).status_code == 200

    row.get_by_role("button", name="Manage").click()
    press(page, "Rotate")
    page.get_by_label("The present key").select_option("ends at once")
    press(page, "Rotate")
    rotated = shown_secret(page)
    assert (chat(server, secret).status_code, chat(server, rotated).status_code) == (401, 200)

    row.get_by_role("button", name="Manage").click()
    page.get_by_label("Requests per minute").fill("")
    press(page, "Save")
    row.get_by_text("none").wait_for()
    assert [chat(server, rotated).status_code for _ in range(4)] == [200] * 4

    row.get_by_role("button", name="Manage").click()
    press(page, "Deactivate")
    press(page, "Cancel")  # asked first
    assert chat(server, rotated).status_code == 200
    row.get_by_role("button", name="Manage").click()
    press(page, "Deactivate")
    press(page, "Deactivate")
    row.get_by_text("Inactive").wait_for()
    assert chat(server, rotated).status_code == 401

    row.get_by_role("button", name="Manage").click()
    press(page, "Activate")
    press(page, "Activate")
    row.get_by_text("Active", exact=True).wait_for()
    row.get_by_role("button", name="Manage").click()
    press(page, "Delete")
    press(page, "Delete the key")
    row.wait_for(state="detached")
    assert chat(server, rotated).status_code == 401


def test_a_prompt_and_its_versions(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server, "prompts")
    press(page, "New prompt")
    page.get_by_label("Name").fill("guide")
    page.get_by_label("Text").fill("Be kind.")
    press(page, "Keep the prompt")
    row = page.get_by_role("row").filter(has_text="guide")
    row.get_by_role("button", name="Edit").click()
    page.get_by_label("Text").fill("Be very kind.")
    press(page, "Save")
    row.get_by_text("1.1").wait_for()

    press(page, "New prompt")  # a name that is taken: told in the dialog, which stays
    page.get_by_label("Name").fill("guide")
    page.get_by_label("Text").fill("Mine.")
    press(page, "Keep the prompt")
    page.get_by_role("alert").get_by_text("exists already").wait_for()
    press(page, "Cancel")

    row.get_by_role("button", name="Edit").click()
    page.get_by_text("Earlier versions").click()
    version = page.get_by_role("region", name="Version 1.0")
    assert version.locator("pre").inner_text() == "Be kind."
    page.keyboard.press("Escape")  # nothing was entered, so nothing is asked
    page.get_by_role("dialog").wait_for(state="detached")
    row.get_by_role("button", name="Edit").click()
    page.get_by_text("Earlier versions").click()
    version.get_by_role("button", name="Use this text again").click()
    assert page.get_by_label("Text").input_value() == "Be kind."
    press(page, "Save")
    row.get_by_text("1.2").wait_for()
    (prompt,) = admin.get("/admin/prompts").json()
    assert (prompt["prompt"], prompt["version"]) == ("Be kind.", "1.2")

    made = admin.post("/admin/api-keys", json={"client_name": "Ana", "system_prompt_id": prompt["id"]}).json()
    row.get_by_role("button", name="Edit").click()
    press(page, "Delete")
    page.get_by_text("Keys use it: Ana.").wait_for()
    press(page, "Delete the prompt")
    page.get_by_text("There is no prompt yet.").wait_for()
    assert admin.get(f"/admin/api-keys/{made['id']}/status").json()["system_prompt"] is None


def test_documents_are_uploaded_asked_about_and_taken_away(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server, "collections")
    page.get_by_text("There is no collection yet.").wait_for()
    page.get_by_label("Collection", exact=True).fill("museum")
    choose(
        page,
        ("hours.md", b"# Opening hours\n\nThe museum opens at nine in the morning and closes at five."),
        ("broken.pdf", b"%PDF-1.7\nthere is nothing in here\n%%EOF"),
        ("tickets.txt", b"An adult's ticket costs twelve crowns."),
    )
    press(page, "Upload")
    page.locator(".outcome").get_by_text("museum: 2 added, 1 skipped.").wait_for()
    left_out = page.get_by_role("list", name="Files that were not added").get_by_role("listitem")
    assert "broken.pdf" in left_out.inner_text()
    assert "PDF" in left_out.inner_text()
    card = page.get_by_role("article", name="Collection museum")
    card.get_by_text("2 documents").wait_for()

    card.get_by_role("link", name="New key").click()
    assert page.get_by_label("Collection", exact=True).input_value() == "museum"
    page.get_by_label("Client").fill("Museum")
    press(page, "Make the key")
    key = shown_secret(page)
    answer = chat(server, key, "When does the museum open?").json()
    assert answer["sources"][0]["source"] == "hours.md"

    page.get_by_role("link", name="Collections").click()
    card.locator("summary").click()
    card.get_by_role("button", name="Remove hours.md").click()
    press(page, "Remove")
    card.get_by_text("1 document · 1 passage").wait_for()
    assert chat(server, key, "When does the museum open in the morning?").json()["sources"] == []

    press(card, "Delete collection museum")
    page.get_by_text("1 key answers from it").wait_for()
    press(page, "Delete the collection")  # refused by the browser: its name has not been typed
    page.get_by_label("Type museum to confirm").fill("museum")
    press(page, "Delete the collection")
    page.get_by_text("There is no collection yet.").wait_for()
    assert admin.get("/admin/collections").json()["collections"] == []


def test_a_folder_is_uploaded_under_the_names_that_the_command_gives(
    tab: Any, server: Any, admin: httpx.Client, tmp_path: Path
) -> None:
    for name in ("guide/hours.md", "guide/rooms/first.md", "guide/.hidden/secret.md"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"text of {name}")
    page = signed_in(tab, server, "collections")
    page.get_by_label("Collection", exact=True).fill("guides")
    page.locator("input[type=file]:not([accept])").set_input_files(tmp_path / "guide")
    press(page, "Upload")
    page.locator(".outcome").get_by_text("guides: 2 added.").wait_for()
    documents = admin.get("/admin/collections/guides/documents").json()["documents"]
    assert [document["source"] for document in documents] == ["hours.md", "rooms/first.md"]


def test_an_upload_can_be_stopped_and_one_that_fails_says_why(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server, "collections")
    page.get_by_label("Collection", exact=True).fill("no such name")
    choose(page, ("a.txt", b"text"))
    press(page, "Upload")
    page.get_by_role("alert").get_by_text("cannot name a collection").wait_for()
    page.get_by_label("Collection", exact=True).fill("many")
    paragraph = b"The river carries ships to the sea, and the sea carries them home again in autumn.\n\n"
    choose(page, *((f"{number}.txt", b"%d " % number + paragraph * 100) for number in range(200)))
    press(page, "Upload")
    page.get_by_text("read,").wait_for()
    press(page, "Stop")
    page.get_by_text("Stopped.").wait_for()
    documents = admin.get("/admin/collections/many/documents").json()
    assert documents["total"] < 200
    assert all(document["complete"] for document in documents["documents"])


def test_attacks_are_shown_as_text(tab: Any, server: Any, admin: httpx.Client) -> None:
    for text in ATTACKS:
        prompt = admin.post("/admin/prompts", json={"name": text, "prompt": text, "version": text}).json()
        fields = {"client_name": text, "notes": text, "collection_name": text, "system_prompt_id": prompt["id"]}
        chat(server, admin.post("/admin/api-keys", json=fields).json()["api_key"], text)
    files = [("files", (f"{text}.md", f"# {text}\n\n{text}".encode())) for text in ATTACKS]
    admin.post("/admin/collections/attacked/documents", files=files).raise_for_status()
    server.call(server.provider("files").flush())

    page = signed_in(tab, server)
    for section in ("Keys", "Prompts"):
        show(page, section)
        for text in ATTACKS:
            page.get_by_role("row").filter(has_text=text).first.get_by_role("button").click()
            page.get_by_role("dialog").get_by_text("Cancel").click()
        assert no_markup(page)
    show(page, "Collections")
    page.locator("main summary").click()
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


def test_overview_and_chats_show_what_happened(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server)
    assert chat(server, server.key, "a question about the weather").status_code == 200
    assert chat(server, server.key, "something forbidden").status_code == 200
    server.call(server.provider("files").flush())
    chart = page.get_by_role("img", name="Chats per minute")
    chart.locator("rect.first").wait_for()
    chart.locator("rect.second").wait_for()
    health = page.get_by_role("table", name="Components of the server")
    assert health.get_by_role("row").filter(has_text="chroma").get_by_role("cell").first.inner_text() == "OK"
    chart.hover(position={"x": chart.bounding_box()["width"] - 3, "y": 60})
    page.locator(".reading").filter(has_text="answered 1").wait_for()

    page.get_by_role("link", name="Chats").click()
    record = page.locator(".chat").filter(has_text="a question about the weather")
    record.locator("summary").click()
    record.get_by_text("word0 word1 word2").wait_for()
    page.get_by_text("Blocked", exact=True).first.click()
    page.locator(".chat").filter(has_text="weather").wait_for(state="detached")
    assert "something forbidden" in page.locator(".chat").first.inner_text()
    page.get_by_text("All", exact=True).click()
    page.get_by_label("Search in chats").fill("the WEATHER")
    press(page, "Search")
    page.locator(".chat").filter(has_text="forbidden").wait_for(state="detached")
    assert page.locator(".chat").count() == 1


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, PHONE], ids=["dark", "phone"])
def test_everybody_can_use_it(tab: Any, faults: Any, server: Any, admin: httpx.Client, options: Any) -> None:
    admin.post("/admin/prompts", json={"name": "guide", "prompt": "Be kind."})
    admin.post("/admin/api-keys", json={"client_name": "Ana", "notes": "from the library", "requests_per_minute": 5})
    admin.post("/admin/collections/museum/documents", files=[("files", ("a.md", b"text")), ("files", ("b.md", b"b"))])
    chat(server, server.key)
    server.call(server.provider("files").flush())
    page = tab(**options)
    page.goto(f"{server.url}/admin/")
    page.get_by_label("Admin token").wait_for()
    assert faults(page) == []
    sign_in(page)
    for section, opener in [
        ("Overview", None),
        ("Keys", page.get_by_role("button", name="New key")),
        ("Prompts", page.get_by_role("button", name="Edit the prompt guide")),
        ("Collections", page.get_by_role("button", name="Delete collection museum")),
        ("Chats", None),
    ]:
        show(page, section)
        for details in page.locator("main details").all()[:2]:
            details.locator("summary").click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{section} is too wide"
        assert faults(page) == []
        if opener is not None:
            opener.click()
            assert faults(page) == []
            page.keyboard.press("Escape")
            assert opener.evaluate("element => element === document.activeElement")


def test_it_can_be_used_with_the_keyboard_alone(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = tab()
    page.goto(f"{server.url}/admin/#keys")
    page.get_by_label("Admin token").wait_for()
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="New key").wait_for()
    page.locator("[aria-busy]").wait_for(state="detached")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "New key":
            break
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.type("Typed")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="The key is made").wait_for()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    assert "Typed" in admin.get("/admin/api-keys").text


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
