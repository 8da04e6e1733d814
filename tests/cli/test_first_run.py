"""The first start of the embedded default: it answers soon, and reads the rest of the documentation meanwhile."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from serve_kit import ORBIT, eventually

from orbit.cli import first_run
from orbit.config import load_config
from orbit.host.host import OrbitHost
from orbit.types import CallContext


@pytest.mark.processes
def test_a_newcomer_is_answered_before_all_pages_are_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORBIT_")}
    with log.open("wb") as output:
        command = [ORBIT, "serve", "--port=0"]
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd=tmp_path, env=environment)
    try:
        eventually(lambda: "the server is ready" in log.read_text() or server.poll() is not None)
        assert (tmp_path / "data" / "first-run").exists(), log.read_text()
        words = log.read_text().split()
        key = next(word for word in words if word.startswith("api_"))
        url = words[words.index("Starting") + 2]
        body = {"message": "Which port does ORBIT use?", "stream": False}
        answer = httpx.post(f"{url}/chat", json=body, headers={"X-API-Key": key}, timeout=120)
        assert answer.json()["sources"][0]["source"] == "faq.md"
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    assert "Traceback" not in log.read_text()


def test_a_later_start_reads_what_an_interrupted_one_did_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORBIT_CONFIG", raising=False)
    pages = [page for page in first_run.documentation() if page.source in {"README.md", "faq.md", "glossary.md"}]
    monkeypatch.setattr(first_run, "documentation", lambda: pages)
    config = load_config()
    first_run.prepare(config, "http://localhost", everything=False)
    assert first_run.unfinished(config)

    async def finish() -> set[str]:
        async with OrbitHost(config, needed=("index", "embed")) as host:
            await first_run.finish(host)
            context = CallContext(request_id="test", collection=first_run.COLLECTION)
            return set(await host.list_sources(first_run.COLLECTION, context))

    assert asyncio.run(finish()) == {"README.md", "faq.md", "glossary.md"}
    assert not first_run.unfinished(config)


def test_only_pages_for_readers_are_read() -> None:
    names = [page.source for page in first_run.documentation()]
    assert "configuration.md" in names
    assert set(first_run.FIRST_PAGES) < set(names)
    assert all("/" not in name and name.endswith(".md") for name in names)


def test_work_beside_the_server_that_fails_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orbit.testing import make_host
    from orbit.web.app import create_app

    async def broken(_: OrbitHost) -> None:
        raise RuntimeError("a fault of the work")

    async def serve() -> None:
        host = make_host({"echo": {}}, tmp_path)
        app = create_app(host.config, host, broken)
        async with app.litestar.lifespan():
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(serve())
    assert "work beside the server failed" in caplog.text
