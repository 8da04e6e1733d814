"""``orbit database copy``: between SQLite and MongoDB, both ways, again after an interruption."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bson import ObjectId
from click.testing import CliRunner
from mongo_server import FerretServer, MongoServer
from pymongo import MongoClient
from real_servers import missing, program

from orbit.auth.keys import Authenticator, new_key
from orbit.cli import orbit
from orbit.config import load_config
from orbit.database import Database, open_database
from orbit.database.budgets import Budgets, Use
from orbit.database.conversations import ConversationTurn
from orbit.database.prompts import DuplicatePrompt, PromptChanges
from orbit.database.transfer import Copied, copy_records
from orbit.errors import DatabaseUnavailable
from orbit.types import Source


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server.uri
    with warnings.catch_warnings():  # the driver may leave a socket behind
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def ferret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if program("ferretdb") is None:
        pytest.skip(missing("ferretdb"))
    with FerretServer(tmp_path_factory.mktemp("ferret")) as server:
        yield server.uri


PAIRS = ("sqlite to mongodb", "mongodb to sqlite", "sqlite to sqlite", "sqlite to ferret", "ferret to sqlite")


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def files(request: pytest.FixtureRequest, pair: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The configurations of a source and a target. The wire server has one name space of indexes, so each goes."""
    wire: str = request.getfixturevalue("ferret" if "ferret" in pair else "wire")
    paths = []
    name = f"copy_{ObjectId()}"
    for number, kind in enumerate(pair.split(" to ")):
        text = f"general: {{data_dir: {tmp_path}/data{number}}}\n"
        if kind != "sqlite":
            text += f"mongodb: {{uri: '{wire}', database: {name}}}\n"
        (tmp_path / f"{number}.yaml").write_text(text)
        paths.append(str(tmp_path / f"{number}.yaml"))
    yield paths[0], paths[1]
    with MongoClient[Any](wire) as client:
        client.drop_database(name)


async def fill(database: Database) -> tuple[str, str]:
    """Return a secret, and the former one of the same key."""
    prompt = await database.create_prompt("guide", "Be kind.")
    for text in ("Be brief.", "Be both."):
        await database.update_prompt(prompt.id, PromptChanges(prompt=text))
    former, key = new_key(
        "Ana",
        "town",
        system_prompt_id=prompt.id,
        notes="ü",
        requests_per_minute=5,
        models=("b", "a"),
        budgets=Budgets(requests_per_day=9, tokens_per_month=10_000_000_000),
        groups=("hr",),
    )
    await database.create_key(key)
    secret, replaced = new_key("")
    await database.rotate_key(key.id, replaced.digest, replaced.hint, time.time() + 1000)
    with suppress(DatabaseUnavailable):  # FerretDB 1 keeps no counts
        await database.count_request(key.id, 5, time.time())
    for day in ("2026-10-31", "2026-11-28", "2026-11-29"):
        await database.add_use(key.id, day, 2, 3_000_000_000)
    for number in range(230):
        turn = ConversationTurn(
            f"q{number}", "a", 1000.0 + number, (Source(1, "p1", "doc", "doc.md", "", 0.5, "text"),)
        )
        await database.add_turn(key.id, f"session {number % 115:03}", turn, 20)
    for number in range(120):
        await database.create_key(new_key(f"client {number}", expires_at=time.time() + 9)[1])
    return secret, former


def copied(files: tuple[str, str]) -> str:
    result = CliRunner().invoke(orbit, ["database", "copy", "--from", files[0], "--to", files[1]])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def said(pair: str) -> str:
    records = "121 keys, 1 prompts in 3 versions, 115 conversations with 230 turns"
    return f"Copied and verified: {records}, {0 if 'ferret' in pair else 1} quotas, 1 budgets.\n"


def test_all_records_are_in_the_target(pair: str, files: tuple[str, str]) -> None:
    async def run(work: Any, file: str) -> Any:
        async with open_database(load_config(file)) as database:
            return await work(database)

    async def check(database: Database) -> None:
        identity, before = [await Authenticator(database).authenticate(each) for each in (secret, former)]
        assert identity.key == before.key
        assert identity.prompt is not None
        assert (identity.prompt.prompt, identity.key.notes) == ("Be both.", "ü")
        assert identity.key.models == ("b", "a")
        assert identity.budgets == Budgets(requests_per_day=9, tokens_per_month=10_000_000_000)
        assert await database.use_of(identity.key.id, "2026-11-29") == Use(2, 3_000_000_000, 4, 6_000_000_000)
        assert (await database.use_of(identity.key.id, "2026-10-31")).requests_per_month == 2
        assert identity.key.groups == ("hr",)
        versions = await database.prompt_versions(identity.prompt.id)
        assert [version.prompt for version in versions] == ["Be both.", "Be brief.", "Be kind."]
        turns = await database.conversation_turns(identity.key.id, "session 007", 0)
        assert [turn.question for turn in turns] == ["q7", "q122"]
        assert turns[0].sources[0].source == "doc.md"
        if not pair.endswith("ferret"):
            quota = await database.count_request(identity.key.id, 5, time.time())
            assert quota.remaining == (4 if "ferret" in pair else 3)
        assert len([key async for key in database.all_keys()]) == 121
        await database.update_prompt(identity.prompt.id, PromptChanges(prompt="New."))

    secret, former = asyncio.run(run(fill, files[0]))
    assert copied(files) == said(pair)
    assert copied(files) == said(pair)  # again: nothing twice
    asyncio.run(run(check, files[1]))


def test_times_between_two_milliseconds_are_no_change(files: tuple[str, str]) -> None:
    """MongoDB cuts them: 4000000000.5004 becomes .500, which rounds to another second."""

    async def run() -> None:
        async with open_database(load_config(files[0])) as source, open_database(load_config(files[1])) as target:
            for number in range(4):
                key = new_key(f"client {number}", expires_at=4_000_000_000.5004 + number)[1]
                await source.create_key(msgspec.structs.replace(key, created_at=1_000_000_000.5004 + number))
                await source.add_turn(key.id, "session", ConversationTurn("q", "a", 1_000_000_000.5004 + number), 20)
            assert (await copy_records(source, target, lambda copied: None)).keys == 4

    asyncio.run(run())


def test_an_interrupted_copy_goes_on(pair: str, files: tuple[str, str]) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(copied: Copied) -> None:
        if copied.keys == 60:
            raise Interrupted

    async def partly() -> None:
        async with open_database(load_config(files[0])) as one, open_database(load_config(files[1])) as other:
            await fill(one)
            await copy_records(one, other, interrupt)

    with pytest.raises(Interrupted):
        asyncio.run(partly())
    assert copied(files) == said(pair)


async def test_a_prompt_of_the_same_name_in_the_target_is_refused(files: tuple[str, str]) -> None:
    async with open_database(load_config(files[0])) as one, open_database(load_config(files[1])) as other:
        await one.create_prompt("guide", "Be kind.")
        await other.create_prompt("guide", "Another.")
        with pytest.raises(DuplicatePrompt):
            await copy_records(one, other, lambda _: None)
        assert (await other.get_prompt_by_name("guide")).prompt == "Another."


def test_one_database_is_not_copied_to_itself(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"general: {{data_dir: {tmp_path}}}")
    result = CliRunner().invoke(orbit, ["database", "copy", "--from", str(file), "--to", str(file)])
    assert result.exit_code == 1
    assert "the same database" in str(result.exception)


def test_a_file_that_is_not_there_is_named_with_its_option(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("echo: {}\n")
    for options in (["--from", "old.yaml", "--to", str(file)], ["--from", str(file), "--to", "old.yaml"]):
        result = CliRunner().invoke(orbit, ["database", "copy", *options])
        assert result.exit_code == 2
        option = options[options.index("old.yaml") - 1]
        assert f"Invalid value for '{option}': File 'old.yaml' does not exist." in result.stderr


def test_a_source_without_a_database_is_no_empty_one(tmp_path: Path) -> None:
    """The same configuration names another folder from another working directory, and a copy of nothing looks right."""
    files = []
    for name in ("old", "new"):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(f"general: {{data_dir: {tmp_path / name}}}\n")
    result = CliRunner().invoke(orbit, ["database", "copy", "--from", str(files[0]), "--to", str(files[1])])
    assert result.exit_code == 1
    assert f"there is no {tmp_path / 'old' / 'orbit.db'}" in str(result.exception)
    assert not (tmp_path / "new").exists()
