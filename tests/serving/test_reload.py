"""Reloads: providers change between turns in all workers, and a wrong file changes nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from certificates import Pair
from click.testing import CliRunner
from cryptography import x509
from serve_kit import PATIENT, Reader, Served, eventually, served

from orbit.cli import orbit
from orbit.errors import ConfigError
from orbit.testing import serve

KEEPER = """
import orbit
import os
class Plugin(orbit.Provider):
    async def __aenter__(self):
        print("KEEPER STARTS", os.getpid(), flush=True)
        return self
    async def __aexit__(self, *_):
        print("KEEPER ENDS", os.getpid(), flush=True)
    @orbit.hookimpl
    async def rerank(self, query, documents, context):
        return documents
"""
BROKEN = """
import orbit
class Plugin(orbit.Provider):
    async def __aenter__(self):
        raise orbit.ProviderError("its model is not there")
    @orbit.hookimpl
    async def moderate(self, messages, stage, context):
        return orbit.Verdict(True)
"""
SLOW = """
import asyncio, pathlib
import orbit
class Plugin(orbit.Provider):
    def __init__(self, name, settings, host):
        super().__init__(name, settings, host)
        print("SLOW IS MADE", flush=True)
    async def __aenter__(self):
        print("SLOW STARTS", flush=True)
        while not pathlib.Path("go").exists():
            await asyncio.sleep(0.05)
        return self
    @orbit.hookimpl
    async def rerank(self, query, documents, context):
        return documents
"""
PLUGINS = {"keeper": KEEPER, "broken": BROKEN, "patient": PATIENT, "slow": SLOW}
FIRST = "script: {words: 3}\nkeeper: {}\n"

pytestmark = pytest.mark.processes


BOTH = pytest.mark.parametrize("running", ["1", "2"], indirect=True, ids=["one process", "two workers"])
ONE = pytest.mark.parametrize("running", ["1"], indirect=True, ids=["one process"])
TWO = pytest.mark.parametrize("running", ["2"], indirect=True, ids=["two workers"])


@pytest.fixture(scope="module")
def running(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("reload")
    with served(folder, FIRST, "--workers", request.param, plugins=PLUGINS) as server:
        yield server


@pytest.fixture
def server(running: Served) -> Served:
    """The server, with its first configuration in force."""
    write(running, FIRST)
    reload(running)
    return running


def write(server: Served, config: str) -> None:
    """Replace all after the two lines of the kit."""
    file = server.folder / "config.yaml"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]) + config)


def reload(server: Served, *arguments: str, code: int = 0) -> str:
    """Run `orbit reload`, and return what it says."""
    return run(server, "reload", *arguments, code=code)


def run(server: Served, *arguments: str, code: int = 0) -> str:
    before = Path.cwd()
    os.chdir(server.folder)  # data_dir is relative
    try:
        result = CliRunner().invoke(orbit, [*arguments, "--config", str(server.folder / "config.yaml")])
    finally:
        os.chdir(before)
    if isinstance(result.exception, ConfigError):  # main prints it
        assert code == 1
        return str(result.exception)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stderr if code else result.stdout


def words(server: Served) -> int:
    response = server.ask(stream=False)
    assert response.status_code == 200, response.text
    return len(response.json()["response"].split())


def lines(server: Served, text: str) -> int:
    return server.log.read_text().count(text)


@BOTH
def test_a_changed_provider_is_replaced_between_turns(server: Served) -> None:
    (server.folder / "release").unlink(missing_ok=True)
    write(server, "patient: {}\nkeeper: {}\n")
    assert reload(server) == "Added: patient. Removed: script.\n"
    reader = Reader(server)
    assert reader.begun.wait(20)
    write(server, "script: {words: 4}\nkeeper: {}\n")
    reload(server)
    assert {words(server) for _ in range(8)} == {4}
    assert not reader.ended_well
    (server.folder / "release").touch()
    reader.join()
    assert reader.frames[-2]["text"] == "end"
    assert reader.frames[-1]["finish_reason"] == "stop"


@ONE
def test_providers_whose_sections_are_the_same_keep_running(server: Served) -> None:
    starts = lines(server, "KEEPER STARTS")
    write(server, "script: {words: 5}\nkeeper: {}\nretrieval: {limit: 7}\n")
    assert reload(server) == "Replaced: script. Changed: retrieval.limit.\n"
    assert lines(server, "KEEPER STARTS") == starts
    write(server, "script: {words: 5}\n")
    ends = lines(server, "KEEPER ENDS")
    assert "Removed: keeper." in reload(server)
    workers = max(1, len(server.workers()))
    eventually(lambda: lines(server, "KEEPER ENDS") == ends + workers)
    assert words(server) == 5


@BOTH
@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("script: {words: many}\n", "script.words"),
        ("script: {words: 9}\nbroken: {}\n", "its model is not there"),
        ("script: {words: 9}\ngeneral: {host: a b}\n", "general.host"),
        ("script: [\n", "config.yaml"),
    ],
)
def test_a_wrong_file_changes_nothing_and_says_why(server: Served, config: str, told: str) -> None:
    write(server, config)
    assert told in reload(server, code=1)
    assert {words(server) for _ in range(4)} == {3}


@BOTH
def test_sighup_reloads(server: Served) -> None:
    reloaded, refused = lines(server, "was reloaded"), lines(server, "is not reloaded")
    write(server, "script: {words: 6}\n")
    os.kill(server.process.pid, signal.SIGHUP)
    eventually(lambda: lines(server, "was reloaded") > reloaded)
    assert {words(server) for _ in range(4)} == {6}
    write(server, "scripted: {words: 6}\n")
    os.kill(server.process.pid, signal.SIGHUP)
    eventually(lambda: lines(server, "is not reloaded") > refused)
    assert "no section or plugin is named 'scripted'" in server.log.read_text()
    assert {words(server) for _ in range(4)} == {6}


@ONE
def test_settings_that_need_a_restart_are_named(server: Served) -> None:
    write(server, FIRST + "general: {port: 1, data_dir: elsewhere}\ntimeouts: {drain: 5}\nsessions: {ttl: 60}\n")
    told = httpx.post(f"{server.url}/admin/reload", headers=admin(server), timeout=60).json()
    assert told["restart"] == ["general.port", "general.data_dir", "timeouts.drain"]
    assert told["settings"] == ["sessions.ttl"]
    assert words(server) == 3
    assert not (server.folder / "elsewhere").exists()


def admin(server: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {(server.folder / 'data' / 'admin-token').read_text().strip()}"}


@ONE
def test_the_command_finds_a_server_whose_port_has_changed(server: Served) -> None:
    write(server, FIRST + "general: {port: 1}\n")
    assert reload(server) == "Waiting for a restart: general.port.\n"
    assert reload(server, "--json").startswith("{")


@BOTH
def test_a_key_that_a_command_changes_after_a_reload_is_changed_at_once(server: Served) -> None:
    assert server.ask(stream=False).status_code == 200
    keys = ["keys", "update", server.key, "--config", str(server.folder / "config.yaml"), "--model"]
    assert CliRunner().invoke(orbit, [*keys, "other"]).exit_code == 0
    try:
        assert {server.ask(stream=False).status_code for _ in range(4)} == {404}
    finally:
        assert CliRunner().invoke(orbit, [*keys, ""]).exit_code == 0
    assert {server.ask(stream=False).status_code for _ in range(4)} == {200}


@ONE
def test_the_log_level_and_the_pages_follow(server: Served) -> None:
    file = server.folder / "config.yaml"
    kept = file.read_text()
    file.write_text(kept.replace("file: {enabled: false}", "file: {enabled: false}, access: true"))
    assert reload(server) == "Changed: logging.access.\n"
    before = lines(server, "GET /health/live")
    httpx.get(f"{server.url}/health/live")
    eventually(lambda: lines(server, "GET /health/live") > before)
    write(server, FIRST + "pages: {title: Another}\n")
    reload(server)
    assert "<title>Another" in httpx.get(f"{server.url}/").text


@ONE
def test_counts_go_on(server: Served) -> None:
    write(server, FIRST + "metrics: {access: open}\n")
    reload(server)
    assert words(server) == 3

    def turns() -> str:
        found = [line for line in httpx.get(f"{server.url}/metrics").text.splitlines() if "orbit_turns_total{" in line]
        return found[0]

    before = float(turns().split()[-1])
    write(server, "script: {words: 2}\nmetrics: {access: open}\n")
    reload(server)
    assert float(turns().split()[-1]) >= before > 0


def level(server: Served) -> str:
    found: str = httpx.get(f"{server.url}/admin/log-level", headers=admin(server), timeout=60).json()["level"]
    return found


@BOTH
def test_the_log_level_changes_at_run_time(server: Served) -> None:
    assert run(server, "log-level") == "INFO\n"
    assert run(server, "log-level", "debug") == "DEBUG\n"
    assert {level(server) for _ in range(8)} == {"DEBUG"}
    write(server, "script: {fail_after: 0}\n")
    assert "Changed: logging.level." in reload(server)
    assert {level(server) for _ in range(8)} == {"INFO"}
    shown = lines(server, "Traceback")
    assert {server.ask(stream=False).status_code for _ in range(8)} == {502}
    assert lines(server, "Traceback") == shown
    run(server, "log-level", "DEBUG")
    for number in range(8):  # whichever worker answers
        assert server.ask(stream=False).status_code == 502
        eventually(lambda: lines(server, "Traceback") > shown + number)  # noqa: B023  # called at once
    write(server, "script: {words: many}\n")
    reload(server, code=1)
    assert run(server, "log-level") == "DEBUG\n"  # neither a refused reload nor a wrong file matters
    refused = httpx.put(f"{server.url}/admin/log-level", headers=admin(server), json={"level": "LOUD"}, timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


@TWO
def test_a_replaced_worker_logs_at_the_level_of_the_others(server: Served) -> None:
    run(server, "log-level", "WARNING")
    first = server.workers()[0]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(server.workers()) == 2 and first not in server.workers())
    eventually(lambda: server.readiness() == 200)
    assert {level(server) for _ in range(8)} == {"WARNING"}


@BOTH
def test_a_reload_beside_another_reads_what_was_written_meanwhile(server: Served) -> None:
    (server.folder / "go").unlink(missing_ok=True)
    starts = lines(server, "SLOW STARTS")
    write(server, FIRST + "slow: {}\n")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{server.url}/admin/reload", headers=admin(server), timeout=60)
        eventually(lambda: lines(server, "SLOW STARTS") > starts)
        write(server, "script: {words: 8}\nkeeper: {}\nslow: {}\n")
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        connection.request("POST", "/admin/reload", headers=admin(server))
        (server.folder / "go").touch()
        assert first.result().json()["message"] == "Added: slow."
    assert json.load(connection.getresponse())["message"] == "Replaced: script."
    connection.close()
    assert {words(server) for _ in range(4)} == {8}


@ONE
def test_a_reload_with_settings_that_wait_makes_a_plugin_once(server: Served) -> None:
    (server.folder / "go").touch()
    made = lines(server, "SLOW IS MADE")
    write(server, FIRST + "slow: {}\ngeneral: {port: 1}\ntimeouts: {drain: 5}\n")
    assert reload(server) == "Added: slow. Waiting for a restart: general.port, timeouts.drain.\n"
    assert lines(server, "SLOW IS MADE") == made + 1


@TWO
def test_a_replaced_worker_serves_by_the_reloaded_configuration(server: Served) -> None:
    workers = server.workers()
    write(server, "script: {words: 7}\n")
    reload(server)
    os.kill(workers[0], signal.SIGKILL)
    eventually(lambda: len(server.workers()) == 2 and workers[0] not in server.workers())
    eventually(lambda: server.readiness() == 200)
    assert {words(server) for _ in range(8)} == {7}


def test_other_certificates_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        pairs.append(Pair(tmp_path / str(number)))
        pairs[-1].renew(number)
    file = tmp_path / "config.yaml"
    monkeypatch.setenv("ORBIT_CONFIG", str(file))

    def config(pair: Pair) -> dict[str, Any]:
        general = {"https": pair.section(redirect_http=False), "data_dir": str(tmp_path / "data")}
        return {"echo": {}, "general": general, "logging": {"file": {"enabled": False}}}

    with serve(config(pairs[0]), tmp_path / "data") as server:
        assert presented(server.https_url) == 1
        file.write_text(json.dumps(config(pairs[1])))
        token = (tmp_path / "data" / "admin-token").read_text().strip()
        url, headers = f"{server.url}/admin/reload", {"Authorization": f"Bearer {token}"}
        told = httpx.post(url, headers=headers, timeout=60).json()
        assert told["message"] == "Changed: general.https.cert_file, general.https.key_file."
        assert presented(server.https_url) == 2
        file.write_text(json.dumps({**config(pairs[1]), "ekko": {}}))
        refused = httpx.post(url, headers=headers, timeout=60)
        assert (refused.status_code, refused.json()["code"]) == (422, "configuration_refused")
        assert "ekko" in refused.json()["detail"]


def presented(url: str) -> int:
    """The serial number of the server's certificate."""
    host, port = url.removeprefix("https://").split(":")
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((host, int(port))).encode()).serial_number


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_that_closes_stops_the_server(tmp_path: Path, workers: str) -> None:
    """It sends SIGHUP, too, but nobody could stop the server from there any more."""
    with served(tmp_path, "echo: {}\n", "--workers", workers, prefix=[sys.executable, "-c", IN_A_TERMINAL]) as server:
        (tmp_path / "close").touch()
        assert server.finish() == 0
    assert "was reloaded" not in server.log.read_text()


IN_A_TERMINAL = """
import os, pty, sys, time
output = os.dup(1)
child, terminal = pty.fork()
if not child:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.execvp(sys.argv[1], sys.argv[1:])
while not os.path.exists("close"):
    time.sleep(0.1)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
