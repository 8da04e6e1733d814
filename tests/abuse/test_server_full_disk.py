"""A server whose disk is full: it refuses what it cannot keep with 503, goes on answering, and recovers by itself."""

import contextlib
import sqlite3
from pathlib import Path

import httpx
import pytest
from disk_kit import fill, small_disk
from serve_kit import eventually, refused, served

from orbit import CallContext, Document, ProviderError
from orbit.config.load import parse_config
from orbit.database import open_database
from orbit.database.prompts import PromptChanges
from orbit.errors import DatabaseUnavailable
from orbit.testing import host

pytestmark = pytest.mark.processes

TOKEN = "the-administrators-own-token"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_is_503_for_what_must_be_kept_and_nothing_for_answers(tmp_path: Path, workers: str) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        config = f"script: {{words: 3}}\ngeneral: {{data_dir: {disk}/data}}\nmetrics: {{access: open}}\n"
        with served(
            tmp_path, config, "--workers", workers, ORBIT_ADMIN_TOKEN=TOKEN, database=disk / "orbit.db"
        ) as server:
            prompt = httpx.post(f"{server.url}/admin/prompts", json={"name": "a", "prompt": "b"}, headers=ADMIN).json()
            if workers == "2":
                eventually(lambda: "2 workers are ready" in server.log.read_text())
            ballast = fill(disk)
            for _ in range(10):
                text = "x" * 200_000
                reply = httpx.put(
                    f"{server.url}/admin/prompts/{prompt['id']}", json={"prompt": text}, headers=ADMIN, timeout=30
                )
                assert (reply.status_code, reply.json()["code"]) == (503, "store_unavailable")
                assert server.ask(stream=False).status_code == 200
                assert httpx.get(f"{server.url}/metrics").status_code == 200
                assert httpx.get(f"{server.url}/health", headers=ADMIN).status_code == 200
                for number in range(3):
                    wrong = httpx.get(f"{server.url}/admin/prompts", headers={"X-Admin-Token": f"wrong-{number}"})
                    assert wrong.status_code in (401, 429)
            ballast.unlink()
            eventually(
                lambda: (
                    httpx.put(
                        f"{server.url}/admin/prompts/{prompt['id']}", json={"prompt": "c"}, headers=ADMIN, timeout=30
                    ).status_code
                    == 200
                )
            )
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("size", [0, 8])
def test_a_server_does_not_start_on_a_full_disk_and_says_so(tmp_path: Path, size: int) -> None:
    """Also beside a file of the right size that has no place on the disk yet, as an earlier version left it."""
    with small_disk(tmp_path / "disk", "1m") as disk:
        with contextlib.closing(sqlite3.connect(disk / "orbit.db")) as database:
            database.execute("PRAGMA journal_mode = WAL")
        with (disk / "orbit.db-changes").open("wb") as signal:
            signal.truncate(size)
        fill(disk)
        said = refused(tmp_path, f"script: {{}}\ngeneral: {{data_dir: {tmp_path}/data}}\n", database=disk / "orbit.db")
    assert "No space left on device" in said or "disk is full" in said
    assert "Traceback" not in said


async def test_nothing_is_signalled_after_a_transaction_that_failed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        config, _ = parse_config({"sqlite": {"path": str(disk / "orbit.db")}}, "the test", {})
        async with open_database(config) as database:
            prompt = await database.create_prompt("a", "b", "1")
            fill(disk)
            before = database.generation()
            with pytest.raises(DatabaseUnavailable):
                await database.update_prompt(prompt.id, PromptChanges(prompt="x" * 400_000))
            assert database.generation() == before
            (disk / "ballast").unlink()
            await database.update_prompt(prompt.id, PromptChanges(prompt="c"))
            assert database.generation() != before


async def test_documents_that_an_embedded_chroma_has_no_room_for(tmp_path: Path) -> None:
    context = CallContext(request_id="test", collection="docs")
    config = {"script": {}, "wordllama": {}, "chroma": {"path": str(tmp_path / "disk" / "chroma")}}
    with small_disk(tmp_path / "disk", "4m") as disk:
        async with host(config, tmp_path / "data") as running:
            texts = [Document(f"{n}", f"text {n} " + "word " * 100, "a", digest="1") for n in range(20)]
            assert await running.index("docs", texts[:2], context) == 2
            ballast = fill(disk)
            many = [Document(f"{n}-{text.id}", text.text, f"b{n}", digest="1") for n in range(50) for text in texts]
            with pytest.raises(ProviderError) as refusal:
                await running.index("docs", many, context)
            assert refusal.value.kind in ("unavailable", "failed")
            assert await running.list_collections(context)
            ballast.unlink()
            assert await running.index("docs", texts, context) == 20
