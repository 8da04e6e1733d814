"""The contract of retrieve, on a folder of three pages, and what the plugin promises beyond it."""

from pathlib import Path
from typing import Any

import pytest
from orbit import CallContext, Query
from orbit.testing import BaseRetrieveContract, host

from orbit_markdown.searching import split

PAGES = {
    "tea.md": "# Tea\n\nTea is steeped in hot water.\n\n## Green\n\nGreen tea is steeped for two minutes.\n",
    "coffee.md": "# Coffee\n\nCoffee is ground before it is brewed.\n",
    "notes/bread.md": "Bread rests for an hour.\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in PAGES.items():
        path = tmp_path / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "pages"


class TestRetrieve(BaseRetrieveContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "markdown"

    @pytest.fixture
    def settings(self, folder: Path) -> dict[str, Any]:
        return {"folder": str(folder)}

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"echo": {}}

    @pytest.fixture
    def query(self) -> Query:
        return Query("How long is green tea steeped?")


def test_pages_are_split_at_headings() -> None:
    found = [(passage.id, passage.title) for passage in split("tea.md", PAGES["tea.md"])]
    assert found == [("tea.md#1", "Tea"), ("tea.md#2", "Green")]


@pytest.mark.asyncio
async def test_the_folder_is_read_again_when_it_changes(folder: Path, tmp_path: Path) -> None:
    settings = {"folder": str(folder), "collection": "kitchen"}
    async with host({"markdown": settings, "echo": {}}, tmp_path) as running:
        retrieve = running.registry.caller("retrieve", "markdown")

        async def found(collection: str | None) -> list[str]:
            query = Query("Is the oven ready?", collection)
            return [one.source for one in await retrieve(query=query, limit=3, context=CallContext("test"))]

        before = await found("kitchen")
        (folder / "oven.md").write_text("The oven is ready after ten minutes.")
        after, of_others = await found("kitchen"), await found("garden")
    assert before == []
    assert after == ["oven.md"]
    assert of_others == []
