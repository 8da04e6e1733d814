"""The operator's page as people use it, in a real browser, against a real server with real documents."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from admin_kit import TOKEN, chat, choose, press, show, shown_secret, sign_in, signed_in
from host_tools import PLUGINS, calls, says

from orbit.testing import serve


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


def test_budgets_are_set_and_what_is_used_is_shown(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server, "keys")
    press(page, "New key")
    page.get_by_label("Client").fill("With budgets")
    page.get_by_label("Requests per day").fill("2")
    page.get_by_label("Tokens per month").fill("5000000")
    press(page, "Make the key")
    secret = shown_secret(page)
    assert chat(server, secret).status_code == 200
    page.reload()
    row = page.get_by_role("row").filter(has_text="With budgets")
    limits = row.get_by_role("cell").nth(3)
    limits.get_by_text("1 of 2 requests a day").wait_for()
    assert "of 5,000,000 tokens a month" in limits.inner_text()

    row.get_by_role("button", name="Manage").click()
    assert page.get_by_label("Tokens per month").input_value() == "5000000"
    page.get_by_label("Requests per day").fill("1")
    page.get_by_label("Tokens per month").fill("")
    press(page, "Save")
    page.get_by_text("1 of 1 requests a day").wait_for()
    assert limits.inner_text().strip() == "1 of 1 requests a day"
    refused = chat(server, secret)
    assert (refused.status_code, refused.json()["code"]) == (429, "budget_exceeded")


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
    row.get_by_role("cell").nth(3).get_by_text("none").wait_for()
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


def test_overview_and_chats_show_what_happened(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server)
    assert chat(server, server.key, "a question about the weather").status_code == 200
    assert chat(server, server.key, "something forbidden").status_code == 200
    server.settle()
    server.call(server.provider("files").flush())
    chart = page.get_by_role("img", name="Chats per minute")
    chart.locator("rect.first").wait_for()
    chart.locator("rect.second").wait_for()
    health = page.get_by_role("table", name="Components of the server")
    assert health.get_by_role("row").filter(has_text="chroma").get_by_role("cell").first.inner_text() == "OK"
    chart.locator("rect.first").last.hover()
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


def test_models_and_those_of_a_key(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = signed_in(tab, server)
    models = page.get_by_role("table", name="Models that clients may name")
    models.get_by_role("row").filter(has_text="the default").get_by_text("OK").wait_for()
    show(page, "Keys")
    press(page, "New key")
    page.get_by_label("Client").fill("One model")
    page.get_by_label("Models").fill("script, gone")
    page.get_by_text("There is no model of this name: gone.").wait_for()
    page.get_by_label("Models").fill(" script ")
    press(page, "Make the key")
    shown_secret(page)
    row = page.get_by_role("row").filter(has_text="One model")
    row.get_by_text("script", exact=True).wait_for()
    row.get_by_role("button", name="Manage").click()
    page.get_by_label("Models").fill("")
    press(page, "Save")
    row.get_by_text("all", exact=True).wait_for()


def test_chats_show_the_tools_that_the_server_called(tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    config = {
        "talker": {},
        "bench": {},
        "general": {"inference_provider": "talker"},
        "logging": {"file": {"enabled": True, "directory": str(tmp_path / "logs")}},
    }
    with serve(config, tmp_path, PLUGINS) as server:
        server.provider("talker").lines = [calls("weather"), says("Rain.")]
        assert chat(server, server.key).json()["response"] == "Rain."
        server.settle()
        server.call(server.provider("files").flush())
        page = signed_in(tab, server, "chats")
        page.locator("details.chat summary").click()
        used = page.locator("dd").filter(has_text='weather {"town": "Bonn"} (')
        used.wait_for()
        assert used.inner_text().endswith("s): weather: rain")
