"""What tests of the operator's page do with it."""

from typing import Any

import httpx

TOKEN = "the-administrators-own-token"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
CONFIG = {
    "script": {"words": 3},
    "guard": {},
    "chroma": {},
    "wordllama": {},
    "general": {"inference_provider": "script", "embedding_provider": "wordllama"},
}


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
