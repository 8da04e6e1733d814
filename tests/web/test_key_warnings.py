"""Keys that name a collection although nothing can search it are named before their holders notice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import orbit
from orbit.database import open_database
from orbit.database.keys import ApiKey
from orbit.testing import host
from orbit.testing.hosting import make_host
from orbit.web.key_warnings import key_problems, missing_models, unsearched


class Shelf(orbit.Provider):
    """Finds nothing."""

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query) -> list[orbit.Document]:
        return []


async def told(folder: Path, keys: int, **sections: Any) -> str:
    async with (
        host({"echo": {}, **sections}, folder, {"shelf": Shelf}) as running,
        open_database(running.config) as database,
    ):
        await database.create_key(ApiKey("0", "digest", "hint", "Without a collection"))
        for number in range(1, keys + 1):
            key = ApiKey(str(number), f"digest {number}", "hint", "Anna", collection_name="handbook")
            await database.create_key(key)
        return await unsearched(running, database)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (0, ""),
        (1, "1 API key names a collection, but no enabled provider retrieves: its questions are refused."),
        (2, "2 API keys name a collection, but no enabled provider retrieves: their questions are refused."),
    ],
)
async def test_keys_are_counted(tmp_path: Path, keys: int, sentence: str) -> None:
    assert (await told(tmp_path, keys)).startswith(sentence)
    assert bool(sentence) is bool(keys)


async def test_what_follows_is_what_the_configuration_says(tmp_path: Path) -> None:
    sentence = await told(tmp_path, 1, retrieval={"on_error": "answer_without"})
    assert "questions are answered without documents" in sentence


async def test_with_a_provider_that_searches_all_is_well(tmp_path: Path) -> None:
    assert await told(tmp_path, 2, shelf={}) == ""


async def test_models_that_are_gone_are_named_with_their_keys(tmp_path: Path) -> None:
    config = {"echo": {}, "models": {"fast": {"provider": "echo"}}}
    async with host(config, tmp_path) as running, open_database(running.config) as database:
        assert await missing_models(running, database) == ""
        for number, models in enumerate([(), ("FAST",), ("fast", "gone"), ("gone",), ("lost",)]):
            await database.create_key(ApiKey(str(number), f"digest {number}", "hint", f"C{number}", models=models))
        await database.create_key(ApiKey("9", "digest 9", "hint", "Off", active=False, models=("off",)))
        sentence = await missing_models(running, database)
    assert "'gone' (keys of C2, C3); 'lost' (keys of C4). Models: fast. Change the keys: orbit keys update" in sentence


def test_check_names_models_that_are_gone(tmp_path: Path) -> None:
    made = make_host({"echo": {}, "models": {"fast": {"provider": "echo"}}}, tmp_path)
    assert key_problems(made) == []  # there is no database yet

    async def fill() -> None:
        async with open_database(made.config) as database:
            await database.create_key(ApiKey("1", "digest", "hint", "Ana", models=("fast", "gone")))

    asyncio.run(fill())
    (problem,) = key_problems(made)
    assert "'gone' (keys of Ana)" in problem.message
