"""The engine's process: its death harms nobody but those it was answering, and it never outlives the server."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import llama_cpp as lib
import pytest
import pytest_asyncio
from orbit_llamacpp import LlamaCppSettings
from orbit_llamacpp.client import EngineClient, EngineError
from orbit_llamacpp.engine.model import Model, maps

import orbit

pytestmark = pytest.mark.processes


@pytest_asyncio.fixture
async def llama(gguf: Any, tmp_path: Path, make: Callable[..., Any], asker: Any) -> AsyncIterator[Any]:
    path = gguf.write_decoder(tmp_path / "llama.gguf", "llama")
    async with make(model_path=str(path), n_ctx=512, temperature=0.0) as provider:
        yield asker(provider)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("deadly", [signal.SIGSEGV, signal.SIGKILL])
async def test_a_crash_fails_what_runs_and_the_engine_comes_back(
    llama: Any, deadly: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    engine = llama.provider._engine
    before = await llama.text("Hello?", max_tokens=8)
    running = llama.stream("Tell me everything.", max_tokens=400)
    await anext(running)
    os.kill(engine.pid, deadly)
    with pytest.raises(orbit.ProviderError, match=f"the engine died: {deadly.name}") as caught:
        async for _ in running:
            pass
    assert (caught.value.kind, caught.value.retryable) == ("unavailable", True)
    assert (await llama.provider.health()).status == "down"
    with pytest.raises(orbit.ProviderError, match="the engine is down"):
        await llama.text("Hello?")
    await until(lambda: engine.state.running)
    assert await llama.text("Hello?", max_tokens=8) == before
    health = await llama.provider.health()
    assert health.status == "ok"
    assert f"restarted 1 times, last after {deadly.name}" in health.detail
    assert (llama.provider.metrics()["up"], llama.provider.metrics()["restarts_total"]) == (1, 1)
    assert any("engine died" in record.message for record in caplog.records)


async def test_giving_up_on_a_model_that_does_not_load_ends_the_process(gguf: Any, tmp_path: Path) -> None:
    path = gguf.write_decoder(tmp_path / "llama.gguf", "llama")
    engine = EngineClient(path, LlamaCppSettings(model_path=str(path), n_ctx=64, n_threads=1))
    starting = asyncio.ensure_future(engine.start())
    await until(lambda: engine.pid)
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # as good as a disk that does not answer
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not alive(pid)


async def test_an_engine_killed_while_it_loads_is_started_once_more(
    gguf: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = gguf.write_decoder(tmp_path / "llama.gguf", "llama")
    engine = EngineClient(path, LlamaCppSettings(model_path=str(path), n_ctx=64, n_threads=1))
    starting = asyncio.ensure_future(engine.start())
    await until(lambda: engine.pid)
    first = engine.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await starting
    assert engine.pid not in (None, first)
    assert "SIGKILL, perhaps because memory ran out" in caplog.text
    await engine.close()


async def test_an_engine_without_memory_for_its_conversations_says_what_to_reduce(
    gguf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = gguf.write_decoder(tmp_path / "llama.gguf", "llama")
    limited = tmp_path / "python"
    limited.write_text(f'#!/bin/sh\nulimit -v 1000000\nexec {sys.executable} "$@"\n')
    limited.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(limited))
    engine = EngineClient(path, LlamaCppSettings(model_path=str(path), n_ctx=1_000_000, parallel=8, n_threads=1))
    with pytest.raises(EngineError, match="tokens; reduce n_ctx or parallel, or choose a smaller model"):
        await engine.start()
    await engine.close()


async def test_what_happens_to_the_file_later_harms_no_answer(llama: Any) -> None:
    before = await llama.text("Hello?", max_tokens=8)
    Path(llama.provider.settings.model_path).write_bytes(b"")
    assert await llama.text("Hello?", max_tokens=8) == before
    assert llama.provider.metrics()["restarts_total"] == 0


@pytest.mark.parametrize(
    ("settings", "memory", "mapped"),
    [
        ({}, 800, False),
        ({}, 799, True),
        ({}, None, True),
        ({"n_gpu_layers": -1}, 800, True),
        ({"use_mmap": True}, 800, True),
        ({"use_mmap": False}, 799, False),
    ],
)
def test_small_models_are_read_into_memory(
    settings: dict[str, Any], memory: int | None, mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orbit_llamacpp.engine.model.memory_total", lambda: memory)
    for part in (1, 2):
        (tmp_path / f"model-0000{part}-of-00002.gguf").write_bytes(bytes(50))
    assert maps(LlamaCppSettings(**settings), tmp_path / "model-00001-of-00002.gguf") is mapped


@pytest.mark.parametrize(("features", "repacks"), [(b"AVX2 = 1 | AMX_INT8 = 1 | ", False), (b"AVX2 = 1 | ", True)])
def test_amx_is_not_used(
    features: bytes, repacks: bool, gguf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bool] = []

    def load(path: bytes, params: Any) -> Any:
        given.append(params.use_extra_bufts)
        return load_from_file(path, params)

    load_from_file = lib.llama_model_load_from_file
    monkeypatch.setattr(lib, "llama_model_load_from_file", load)
    monkeypatch.setattr(lib, "llama_print_system_info", lambda: features)
    Model(gguf.write_decoder(tmp_path / "llama.gguf", "llama"), LlamaCppSettings()).close()
    assert given == [repacks]


async def test_a_gpu_that_is_not_there_is_told(
    llama: Any, make: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert caplog.text == ""
    async with make(model_path=llama.provider.settings.model_path, n_ctx=64, n_gpu_layers=-1):
        assert "n_gpu_layers has no effect" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such policy")
async def test_the_engine_interrupts_no_other_process_when_it_wakes_up(llama: Any) -> None:
    if sys.platform == "linux":  # mypy knows it from here only
        threads = [int(thread.name) for thread in Path(f"/proc/{llama.provider._engine.pid}/task").iterdir()]
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}


async def test_closing_ends_the_process(llama: Any, make: Callable[..., Any]) -> None:
    provider = make(model_path=llama.provider.settings.model_path, n_ctx=512)
    await provider.__aenter__()
    pid = provider._engine.pid
    await provider.__aexit__(None, None, None)
    assert not alive(pid)


async def test_interrupting_the_process_group_does_not_stop_the_engine(llama: Any) -> None:
    pid = llama.provider._engine.pid
    os.kill(pid, signal.SIGINT)
    await asyncio.sleep(0.05)
    assert os.getpgid(pid) != os.getpgid(0)
    assert await llama.text("Hello?", max_tokens=4)


def test_the_engine_dies_with_its_parent(gguf: Any, tmp_path: Path) -> None:
    path = gguf.write_decoder(tmp_path / "llama.gguf", "llama")
    program = f"""
import asyncio
from orbit.types import CallContext, GenerateOptions, Message
from orbit_llamacpp import LlamaCppProvider, LlamaCppSettings

async def main():
    settings = LlamaCppSettings(model_path={str(path)!r}, n_ctx=1024, n_threads=1, max_tokens=900)
    async with LlamaCppProvider("x", settings, None) as provider:
        print(provider._engine.pid, flush=True)
        async for _ in provider.generate([Message("user", "Go on.")], GenerateOptions(), CallContext("x")):
            await asyncio.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def test_it_runs_on_the_loop_that_the_server_runs_on(gguf: Any, tmp_path: Path) -> None:
    path = gguf.write_decoder(tmp_path / "llama.gguf", "llama")
    program = f"""
import uvloop
from orbit.types import CallContext, GenerateOptions, Message
from orbit_llamacpp import LlamaCppProvider, LlamaCppSettings

async def main():
    settings = LlamaCppSettings(model_path={str(path)!r}, n_ctx=512, n_threads=1, max_tokens=9)
    async with LlamaCppProvider("x", settings, None) as provider:
        stream = provider.generate([Message("user", "Go on.")], GenerateOptions(), CallContext("x"))
        print([chunk.finish_reason async for chunk in stream][-1])

uvloop.run(main())
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout in ("length\n", "stop\n")
    assert done.stderr == ""


def test_the_server_never_imports_llama_cpp(gguf: Any, tmp_path: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("needs /proc")
    path = gguf.write_decoder(tmp_path / "llama.gguf", "llama")
    program = f"""
import asyncio
from pathlib import Path
from orbit_llamacpp import LlamaCppProvider, LlamaCppSettings

async def main():
    settings = LlamaCppSettings(model_path={str(path)!r}, n_ctx=512, n_threads=1)
    async with LlamaCppProvider("x", settings, None) as provider:
        for process in (provider._engine.pid, "self"):
            print("libllama" in Path(f"/proc/{{process}}/maps").read_text())

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "False"]
