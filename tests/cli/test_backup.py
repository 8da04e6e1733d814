"""``orbit backup`` while a server answers and files are ingested, and ``orbit restore`` elsewhere."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from mongo_server import MongoServer
from serve_kit import ORBIT, served

from orbit.cli import orbit
from orbit.config import load_config
from orbit.database import open_database
from orbit.database.budgets import day_of


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(orbit, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


CONFIG = "general: {data_dir: data}\nwordllama: {}\nchroma: {collection: town}\necho: {}\n"


def test_a_backup_of_a_running_server_answers_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, pages = tmp_path / "first", tmp_path / "second", tmp_path / "pages"
    for folder in (first, second, pages):
        folder.mkdir()
    for number in range(30):
        (pages / f"{number}.md").write_text(f"The pool number {number} opens at seven.")
    file = tmp_path / "backup.tar.gz"
    (first / ".env").write_text("SOME=secret\n")
    with served(first, CONFIG, database=first / "data" / "orbit.db") as server:
        environment = {**server.environment, "ORBIT_URL": ""}
        ingest = [ORBIT, "ingest", str(pages), "--collection", "town"]
        subprocess.run(ingest, check=True, env=environment, cwd=first, capture_output=True)
        more = tmp_path / "more.md"
        more.write_text("The library opens at nine.\n\n" * 200)
        with subprocess.Popen(
            [*ingest[:2], str(more), *ingest[3:]], env=environment, cwd=first, stdout=-3, stderr=-3
        ) as beside:
            made = subprocess.run(
                [ORBIT, "backup", str(file)], env=environment, cwd=first, check=False, capture_output=True, text=True
            )
            assert made.returncode == 0, made.stderr
            beside.wait(60)
        key = server.key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".*.part"))
    monkeypatch.chdir(second)
    text = run("restore", str(file)).output
    assert "Wrote config.yaml and .env." in text
    restored = (second / "config.yaml").read_text().replace(str(first), str(second))
    assert (second / ".env").read_text() == "SOME=secret\n"
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (second / "data").rglob("*") if path.is_file())
    body = restored.partition("\n")[2].partition("\n")[2]  # the kit writes the first lines again
    with served(second, body, database=second / "data" / "orbit.db") as server:
        question = {"message": "The pool number 7 opens at seven.", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=question, headers={"X-API-Key": key}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert "7.md" in json.dumps(answer.json()["sources"])


def prepared(folder: Path) -> Path:
    folder.mkdir()
    file = folder / "config.yaml"
    file.write_text(f"general: {{data_dir: {folder}/data}}\necho: {{}}\n")
    return file


def test_the_indexes_of_words_are_part_of_a_backup_wherever_they_are(tmp_path: Path) -> None:
    config = prepared(tmp_path / "one")
    config.write_text(f"{config.read_text()}lexical: {{path: {tmp_path}/words}}\n")
    page = tmp_path / "page.md"
    page.write_text("The library opens at nine.")
    run("ingest", str(page), "--collection", "town", "--config", str(config))
    file = tmp_path / "backup.tar.gz"
    run("backup", str(file), "--config", str(config))
    (tmp_path / "words").rename(tmp_path / "gone")
    (tmp_path / "one" / "data").rename(tmp_path / "one" / "gone")
    run("restore", str(file), "--config", str(config))
    assert "page.md" in run("collections", "documents", "town", "--config", str(config)).output


def test_restore_refuses_to_overwrite_unless_asked_to(tmp_path: Path) -> None:
    config = str(prepared(tmp_path / "one"))
    run("keys", "create", "--name", "Ana", "--tokens-per-month", "1000", "--config", config)
    asyncio.run(use_tokens(config))
    file = str(tmp_path / "backup.tar.gz")
    run("backup", file, "--config", config)
    run("keys", "create", "--name", "Ben", "--config", config)
    assert "exists already" in str(run("backup", file, "--config", config, code=1).exception)
    nowhere = str(tmp_path / "nowhere" / "backup.tar.gz")
    assert str(run("backup", nowhere, "--config", config, code=1).exception).startswith("there is no folder")
    refused = run("restore", file, "--config", config, code=1)
    assert "there is data already. --overwrite" in str(refused.exception)
    assert len(json.loads(run("keys", "list", "--json", "--config", config).output)) == 2
    run("restore", file, "--config", config, "--overwrite")
    (only,) = json.loads(run("keys", "list", "--json", "--config", config).output)
    assert (only["client_name"], only["budgets"][0]["used"]) == ("Ana", 7)
    assert len(list((tmp_path / "one").glob("data.*.before-restore"))) == 1


def test_restore_refuses_beside_a_running_server(tmp_path: Path) -> None:
    config = str(prepared(tmp_path / "one"))
    run("keys", "create", "--name", "Ana", "--config", config)
    file = str(tmp_path / "backup.tar.gz")
    run("backup", file, "--config", config)
    (tmp_path / "two").mkdir()
    with served(tmp_path / "two", f"general: {{data_dir: {tmp_path}/one/data}}\necho: {{}}\n"):
        refused = run("restore", file, "--config", config, "--overwrite", code=1)
    assert "another server" in str(refused.exception)


def test_keys_of_mongodb_are_part_of_a_backup(tmp_path: Path) -> None:
    with MongoServer(tmp_path) as server:
        for number in (1, 2):
            text = f"general: {{data_dir: {tmp_path}/data{number}}}\necho: {{}}\n"
            (tmp_path / f"{number}.yaml").write_text(f"{text}mongodb: {{uri: '{server.uri}', database: d{number}}}\n")
        one, two = str(tmp_path / "1.yaml"), str(tmp_path / "2.yaml")
        run("keys", "create", "--name", "Ana", "--tokens-per-month", "1000", "--config", one)
        asyncio.run(use_tokens(one))
        file = str(tmp_path / "backup.tar.gz")
        run("backup", file, "--config", one)
        run("restore", file, "--config", two)
        (only,) = json.loads(run("keys", "list", "--json", "--config", two).output)
    assert only["client_name"] == "Ana"
    assert [(budget["limit"], budget["used"]) for budget in only["budgets"]] == [(1000, 7)]


async def use_tokens(config: str) -> None:
    """Use tokens of all keys."""
    async with open_database(load_config(config)) as database:
        async for key in database.all_keys():
            await database.add_use(key.id, day_of(time.time()), 1, 7)


@pytest.mark.parametrize("name", ["../out", "data/../../out", "/etc/out"])
def test_an_archive_cannot_write_outside(tmp_path: Path, name: str) -> None:
    config = str(prepared(tmp_path / "one"))
    run("keys", "create", "--name", "Ana", "--config", config)
    file, forged = tmp_path / "backup.tar.gz", tmp_path / "forged.tar.gz"
    run("backup", str(file), "--config", config)
    with tarfile.open(file) as old, tarfile.open(forged, "w:gz") as new:
        for member in old:
            new.addfile(member, old.extractfile(member))
        member = old.getmembers()[-1]
        member.name = name
        new.addfile(member, old.extractfile(old.getmembers()[-1]))
    target = str(prepared(tmp_path / "two"))
    CliRunner().invoke(orbit, ["restore", str(forged), "--config", target])
    assert not (tmp_path / "out").exists()
    assert not (tmp_path.parent / "out").exists()
    assert not Path("/etc/out").exists()


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x1f\x8b\x08\x00"])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.tar.gz"
    file.write_bytes(content)
    result = CliRunner().invoke(orbit, ["restore", str(file), "--config", str(tmp_path / "config.yaml")])
    assert "is no backup of ORBIT" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]
