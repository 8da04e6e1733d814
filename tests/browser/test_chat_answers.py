"""How the chat page shows answers: formulas, tables, directions of writing, many sources."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from chat_kit import ask, asked, enter

import orbit
from orbit.testing import serve

FORMULAS = r"""Pythagoras says \(a^2 + b^2 = c^2\), so $c = \sqrt{a^2+b^2}$.

\[ \int_0^1 x^2 \, dx = \frac{1}{3} \]

$$
E = mc^2
$$

- in a list: \[ \sum_{i=1}^n i \]

```math
\alpha
```

It costs $5 for a book and $6 for two, or 3$.

Broken: \(\frac{1}\) and `\(code\)`, a[1] and \( open."""

TABLE = """| left | centre | right | none |
|:--|:-:|--:|---|
| a | b | 1 | d |
"""

DIRECTIONS = """The answer in English.

התשובה בעברית עם word אחת.

- שלום
- hello

> مرحبا

| שם | price |
|---|---|
| לחם | 5 |

`code` ראשון
"""


class Repeats(orbit.Provider):
    """Answers with the question."""

    @orbit.hookimpl
    async def generate(self, question: str) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk(question, "stop")


class Shelf(orbit.Provider):
    """Finds as many passages as the question says; for a text with an earlier question in it, better ones."""

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query) -> list[orbit.Document]:
        wanted = re.search(r"(\d+) sources", query.text)
        follow_up = "\n" in query.text
        return [
            orbit.Document(
                f"{follow_up}{number}",
                f"Passage {number} {follow_up}.",
                f"{number}.md",
                f"Page {number}",
                score=round((0.9 if follow_up else 0.4) - number / 100, 3),
            )
            for number in range(int(wanted[1]) if wanted else 0)
        ]


PLUGINS = {"repeats": Repeats, "shelf": Shelf}
CONFIG = {"repeats": {}, "shelf": {}, "retrieval": {"max_documents": 30, "limit": 30}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(CONFIG, tmp_path_factory.mktemp("chat"), PLUGINS) as running:
        yield running


def test_formulas_are_drawn(tab: Any, server: Any, faults: Any) -> None:
    page = tab()
    asked(page, server, FORMULAS)
    prose = page.locator(".answer > .prose")
    prose.locator(".katex").nth(5).wait_for()
    sources = [text.strip() for text in prose.locator("annotation").all_text_contents()]
    assert sources == [
        "a^2 + b^2 = c^2",
        r"c = \sqrt{a^2+b^2}",
        r"\int_0^1 x^2 \, dx = \frac{1}{3}",
        "E = mc^2",
        r"\sum_{i=1}^n i",
        r"\alpha",
    ]
    assert prose.locator(".katex-display").count() == 4
    assert "It costs $5 for a book and $6 for two, or 3$." in prose.inner_text()
    assert r"Broken: \(\frac{1}\) and \(code\), a[1]" in prose.locator("p").last.inner_text()
    assert prose.locator("p").last.inner_text().endswith(r"and \( open.")
    assert page.evaluate("document.fonts.load('16px KaTeX_Main').then((fonts) => fonts.length)") == 1
    assert faults(page) == []


def test_a_page_without_formulas_loads_no_library_for_them(tab: Any, server: Any) -> None:
    page = tab()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    asked(page, server, "Plain text, and 5$.")
    assert not any("katex" in url for url in requested)


def test_a_formula_that_is_not_complete_yet_keeps_its_backslashes(tab: Any, server: Any) -> None:
    page = tab()
    asked(page, server, r"So \(a^2 + b")
    assert page.locator(".answer > .prose").inner_text() == r"So \(a^2 + b"
    ask(page, "Then\n\n\\[ \\frac{a")
    page.get_by_role("button", name="Copy the answer").nth(1).wait_for()
    assert page.locator(".answer > .prose").nth(1).inner_text().endswith(r"\[ \frac{a")


def test_columns_are_aligned_as_the_table_says(tab: Any, server: Any) -> None:
    page = tab()
    asked(page, server, TABLE)
    aligned = "cells => cells.map(cell => getComputedStyle(cell).textAlign)"
    assert page.locator(".prose td").evaluate_all(aligned) == ["left", "center", "right", "start"]
    assert page.locator(".prose th").evaluate_all(aligned) == ["left", "center", "right", "start"]


def test_each_block_has_its_own_direction(tab: Any, server: Any) -> None:
    page = tab()
    asked(page, server, DIRECTIONS)
    direction = "found => found.map(element => getComputedStyle(element).direction)"
    prose = page.locator(".answer > .prose")
    assert prose.locator("> p").evaluate_all(direction) == ["ltr", "rtl", "ltr"]
    assert prose.locator("li").evaluate_all(direction) == ["rtl", "ltr"]
    assert prose.locator("blockquote").evaluate_all(direction) == ["rtl"]
    assert prose.locator("th, td").evaluate_all(direction) == ["rtl", "ltr", "rtl", "rtl"]
    assert prose.locator("code").evaluate_all(direction) == ["ltr"]


def test_many_sources_leave_the_answer_in_sight(tab: Any, server: Any, faults: Any) -> None:
    page = tab(viewport={"width": 390, "height": 700})
    asked(page, server, "Hello, 30 sources [1] [27]")
    text = page.locator(".answer > .prose")
    box = text.bounding_box()
    assert 50 < box["y"] < 600
    assert page.locator(".sources li:visible").count() == 3
    more = page.get_by_role("button", name="Show all 30 sources")
    assert faults(page) == []
    more.click()
    assert page.locator(".sources li:visible").count() == 30
    page.get_by_role("button", name="Show fewer sources").click()
    assert page.locator(".sources li:visible").count() == 3
    text.get_by_role("link", name="Source 27").click()
    page.get_by_text("Passage 26 False.").wait_for()


def test_sources_come_best_first_after_a_follow_up(tab: Any, server: Any) -> None:
    page = tab()
    asked(page, server, "Tell me about 4 sources")
    ask(page, "And it, 3 sources?")
    page.get_by_role("button", name="Copy the answer").nth(1).wait_for()
    scores = [float(text.split()[-1]) for text in page.locator(".sources").nth(1).locator(".score").all_inner_texts()]
    assert len(scores) > 4
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 0.9


def test_pictures_in_the_text_of_an_answer_are_shown(tab: Any, server: Any) -> None:
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    page = tab()
    asked(page, server, f"![A dot](data:image/png;base64,{dot}) ![Far](http://127.0.0.1:9/x.png)")
    image = page.get_by_role("img", name="A dot")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    assert page.get_by_role("link", name="Far").get_attribute("href") == "http://127.0.0.1:9/x.png"


def test_an_answer_that_comes_slowly_is_whole_at_each_moment(tab: Any, server: Any) -> None:
    """Each beginning of a text is shown without errors, and the end as if it had come at once."""
    page = tab()
    enter(page, server)
    ask(page, "Hello")
    page.get_by_role("button", name="Copy the answer").wait_for()
    same = page.evaluate(
        """async (text) => {
            const script = document.querySelector('script[type=module]').src;
            const { MarkdownView } = await import(new URL('markdown.js', script));
            const grown = document.createElement('div');
            const once = document.createElement('div');
            const view = new MarkdownView(grown);
            for (let end = 0; end <= text.length; end += 3) view.show(text.slice(0, end), null);
            view.show(text, null);
            new MarkdownView(once).show(text, null);
            const drawn = (element) => element.querySelectorAll('.katex').length;
            for (let round = 0; round < 1200 && (drawn(grown) < 6 || drawn(once) < 6); round++) {
                await new Promise((done) => setTimeout(done, 50)); // until KaTeX is loaded
            }
            return grown.innerHTML === once.innerHTML;
        }""",
        FORMULAS + "\n\n" + TABLE + "\n" + DIRECTIONS,
    )
    assert same
