"""Who may use a data folder beside a running server, and a server that starts again when its files change."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from serve_kit import ORBIT, Served, eventually, refused, served

pytestmark = pytest.mark.processes

BOTH = pytest.mark.parametrize("workers", ["1", "2"])

SPEAKER = """
import orbit

class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages, options, context):
        yield orbit.Chunk("{word}")
"""


def second(folder: Path, data: Path, *arguments: str) -> str:
    (folder / "second").mkdir(exist_ok=True)
    return refused(folder / "second", f"echo: {{}}\ngeneral: {{data_dir: {data}}}\n", *arguments)


@BOTH
def test_a_second_server_on_a_data_folder_is_refused_with_the_pid_of_the_first(tmp_path: Path, workers: str) -> None:
    data = tmp_path / "data"
    with served(tmp_path, f"echo: {{}}\ngeneral: {{data_dir: {data}}}\n", "--workers", workers) as server:
        said = second(tmp_path, data, "--workers", workers)
        assert f"another server, process {server.process.pid}, uses the folder {data}" in said
        assert "Traceback" not in said
        assert server.ask(stream=False).status_code == 200
        listed = subprocess.run(
            [ORBIT, "keys", "list"], env=server.environment, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert listed.returncode == 0
        assert "test" in listed.stdout


@BOTH
def test_the_lock_of_a_killed_server_does_not_block_the_next(tmp_path: Path, workers: str) -> None:
    data = tmp_path / "data"
    config = f"echo: {{}}\ngeneral: {{data_dir: {data}}}\n"
    with served(tmp_path, config, "--workers", workers) as server:
        server.process.kill()
        server.process.wait()
        (tmp_path / "next").mkdir()
        with served(tmp_path / "next", config) as successor:
            assert successor.ask(stream=False).status_code == 200
        eventually(lambda: not server.processes())


def test_two_servers_with_folders_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with (
        served(tmp_path / "one", f"echo: {{}}\ngeneral: {{data_dir: {tmp_path}/one/data}}\n") as one,
        served(tmp_path / "two", f"echo: {{}}\ngeneral: {{data_dir: {tmp_path}/two/data}}\n") as two,
    ):
        assert one.ask(stream=False).status_code == two.ask(stream=False).status_code == 200


def test_a_second_server_on_an_embedded_database_is_refused(tmp_path: Path) -> None:
    """Also where each has a data folder of its own."""
    shelf = f"wordllama: {{}}\nchroma: {{path: {tmp_path}/chroma}}\n"
    with served(tmp_path, f"echo: {{}}\ngeneral: {{data_dir: {tmp_path}/data}}\n{shelf}") as server:
        (tmp_path / "second").mkdir()
        own = tmp_path / "second" / "data"
        said = refused(tmp_path / "second", f"echo: {{}}\ngeneral: {{data_dir: {own}}}\n{shelf}")
        assert f"chroma: another server, process {server.process.pid}, uses the folder {tmp_path}/chroma" in said
        (tmp_path / "page.md").write_text("Opening hours are nine to five.")
        command = [ORBIT, "ingest", "page.md", "--collection", "docs"]
        done = subprocess.run(
            command, env=server.environment, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr


def answer(server: Served) -> str:
    try:
        reply = server.ask(stream=False)
    except httpx.HTTPError:
        return ""
    return str(reply.json()["response"]) if reply.status_code == 200 else ""


def replace(file: Path, content: str) -> None:
    """As editors write files."""
    new = file.with_suffix(".new")
    new.write_text(content)
    new.replace(file)


def test_reload_follows_plugins_configuration_and_environment(tmp_path: Path) -> None:
    plugins = {"speaker": SPEAKER.format(word="first")}
    with served(tmp_path, "speaker: {}\n", "--reload", plugins=plugins) as server:
        assert answer(server) == "first"
        replace(tmp_path / "fakes" / "speaker_plugin.py", SPEAKER.format(word="a second"))
        eventually(lambda: answer(server) == "a second")
        config = (tmp_path / "config.yaml").read_text()
        replace(tmp_path / "config.yaml", config.replace("speaker: {}", 'script: {words: 2, word: "${WORD}"}'))
        eventually(lambda: "WORD" in server.log.read_text())
        assert server.process.poll() is None, "a mistake is told, and the next change tries again"
        replace(tmp_path / "config.yaml", config.replace("speaker: {}", "echo: {}"))
        eventually(lambda: answer(server) == "hello")
        (tmp_path / ".env").write_text("WORD=x\n")
        eventually(lambda: ".env changed" in server.log.read_text())
        eventually(lambda: answer(server) == "hello")


def test_reload_does_not_wait_for_answers_and_ends_with_its_signal(tmp_path: Path) -> None:
    with served(tmp_path, "script: {words: -1, delay: 0.05}\ntimeouts: {drain: 300}\n", "--reload") as server:
        with httpx.stream(
            "POST", f"{server.url}/chat", json={"message": "hello"}, headers={"X-API-Key": server.key}, timeout=60
        ) as reply:
            assert next(reply.iter_lines())
            os.utime(tmp_path / "config.yaml")
            eventually(lambda: server.log.read_text().count("Application startup complete") == 2)
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.finish() == 0
        assert not server.processes()
        assert "Traceback" not in server.log.read_text()


def test_reload_after_the_supervising_process_was_killed_leaves_nothing(tmp_path: Path) -> None:
    server = Served(tmp_path, "echo: {}\n", "--reload")
    server.wait_until_ready()
    server.process.kill()
    server.process.wait()
    eventually(lambda: not server.processes())


def test_the_configuration_is_read_once_for_all_workers(tmp_path: Path) -> None:
    """A worker that takes the place of one that died does not read what was written into the file meanwhile."""
    with served(tmp_path, "echo: {}\n", "--workers", "2") as server:
        eventually(lambda: "2 workers are ready" in server.log.read_text())
        (tmp_path / "config.yaml").write_text("nonsense: {}\n")
        first = server.workers()[0]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: len(server.workers()) == 2 and first not in server.workers())
        for _ in range(20):
            assert server.ask(stream=False).json()["response"] == "hello"
            time.sleep(0.1)
        assert server.log.read_text().count("died with status") == 1
