"""Tables of settings: every type in words, every default as YAML, and pages that lag are named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from orbit.host.settings_table import main, markdown_table, settings_of, with_tables


class Inner(msgspec.Struct, rename="kebab"):
    max_tries: Annotated[int, Meta(ge=0, le=9, description="Tries | again.")] = 3


class Outer(msgspec.Struct):
    url: Annotated[str, Meta(min_length=1, description="Where.")]
    inner: Inner = msgspec.field(default_factory=Inner)
    names: list[Annotated[str, Meta(min_length=1)]] = msgspec.field(default_factory=list)
    mode: Literal["fast", "slow"] = "fast"
    seconds: Annotated[float, Meta(gt=0, lt=10)] | None = None
    share: Annotated[float, Meta(ge=0)] = 0.5
    most: Annotated[int, Meta(le=7)] = 7
    extra: dict[str, str] = msgspec.field(default_factory=dict)
    on: bool = True
    word: str = "no"
    text: str = "two words"
    empty: str = ""


@pytest.mark.parametrize(
    ("name", "kind", "default"),
    [
        ("url", "text not empty", None),
        ("inner.max-tries", "whole number from 0 to 9", "3"),
        ("names", "list of text not empty", "[]"),
        ("mode", "`fast`, `slow`", "fast"),
        ("seconds", "number above 0, below 10 or null", "null"),
        ("share", "number at least 0", "0.5"),
        ("most", "whole number at most 7", "7"),
        ("extra", "mapping", "{}"),
        ("on", "true or false", "true"),
        ("word", "text", '"no"'),
        ("text", "text", '"two words"'),
        ("empty", "text", '""'),
    ],
)
def test_a_setting_in_words(name: str, kind: str, default: str | None) -> None:
    setting = {item.name: item for item in settings_of(Outer)}[name]
    assert (setting.type, setting.default) == (kind, default)


def test_a_table_has_a_row_for_each_setting() -> None:
    lines = markdown_table(Outer).splitlines()
    assert len(lines) == 2 + len(settings_of(Outer))
    assert lines[2] == "| `url` | text not empty | required | Where. |"
    assert lines[3] == "| `inner.max-tries` | whole number from 0 to 9 | `3` | Tries \\| again. |"


PAGE = """Before.

<!-- settings: orbit.config.model:Cors -->
old
<!-- end -->

After.
"""


def test_a_page_that_lags_is_named_and_rewritten_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert main([str(page)]) == 1
    assert page.read_text() == PAGE
    assert f"{page}: out of date" in capsys.readouterr().out
    assert main(["--write", str(page)]) == 0
    written = page.read_text()
    assert "`allow_origins`" in written
    assert "old" not in written
    assert written.startswith("Before.\n")
    assert written.endswith("After.\n")
    assert with_tables(written) == written
    assert main([str(page)]) == 0


def test_inherited_settings_come_after_the_own() -> None:
    class Derived(Inner):
        model: str = ""

    assert [item.name for item in settings_of(Derived)] == ["model", "max-tries"]
