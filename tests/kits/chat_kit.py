"""What tests of the chat page ask, and the plugins that answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

import orbit

HOURS = "Opening hours > Weekend > Saturdays\n\nFrom 9 to 16\non **Saturdays**."
RULES = "https://library.example.org/rules"
MARKDOWN = f"""\
Open from **9 to 16** on Saturdays [1], as `items[2]` and the rules [2] say.

## Renewing

```sh
library renew --weeks 4
```

| day | opens |
|---|---|
| Saturday | 9:00 |

See [the rules]({RULES}).
"""


class Says(orbit.Provider):
    """Answers with a text, in small pieces."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        text: str = MARKDOWN
        seconds: float = 0.0

    settings: Settings

    @orbit.hookimpl
    async def generate(self) -> AsyncIterator[orbit.Chunk]:
        text = self.settings.text
        for start in range(0, len(text), 7):
            yield orbit.Chunk(text[start : start + 7])
            await asyncio.sleep(self.settings.seconds)
        yield orbit.Chunk(finish_reason="stop")


class Library(orbit.Provider):
    """Finds two passages for every question."""

    @orbit.hookimpl
    async def retrieve(self) -> list[orbit.Document]:
        return [
            orbit.Document("1", HOURS, "hours.md", "Opening hours", score=0.83),
            orbit.Document(
                "2", "Twice, at most.", "rules.pdf", "Rules", "https://library.example.org/rules", score=0.61
            ),
        ]


PLUGINS = {"says": Says, "library": Library}
LIBRARY: dict[str, Any] = {"says": {}, "library": {}}


def enter(page: Any, server: Any, key: str = "") -> None:
    """Open the page and enter the key."""
    page.goto(server.url)
    page.get_by_label("API key").fill(key or server.key)
    page.get_by_role("button", name="Continue").click()


def ask(page: Any, text: str) -> None:
    page.get_by_role("textbox", name="Your question").fill(text)
    page.get_by_role("button", name="Ask", exact=True).click()


def asked(page: Any, server: Any, text: str = "When is it open?") -> None:
    """Enter the key, ask, and wait for the end of the answer."""
    enter(page, server)
    ask(page, text)
    page.get_by_role("button", name="Copy the answer").last.wait_for()
