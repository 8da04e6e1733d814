"""Text from outside in logs, tables and terminals: control characters are escaped, secrets masked."""

import asyncio
import json
import logging
import socket
import sys
import time
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from orbit import Chunk, Provider, ProviderError, hookimpl
from orbit.auth.keys import new_key
from orbit.cli import orbit as command
from orbit.config import Config, load_config
from orbit.config.model import Logging
from orbit.database import open_database
from orbit.observing.server_log import configure_logging
from orbit.sanitize import printable, printable_json, without_secrets
from orbit.testing import serve

HOSTILE = "a\x1b[31mred\x1b]0;title\x07\r\nforged line\x9b2J\u202egnp.exe\u2028next\u2066\ufeffb"
CONTROL = "\x1b\x07\r\x9b\u202e\u2028\u2066\ufeff"


class Hostile(Provider):
    """Answers with escape sequences."""

    @hookimpl
    async def generate(self) -> AsyncIterator[Chunk]:
        yield Chunk(HOSTILE, finish_reason="stop")


def harmless(text: str) -> bool:
    return not any(sign in text for sign in CONTROL)


def test_control_characters_are_escaped_and_letters_of_all_scripts_stay() -> None:
    assert printable("a\x1b\r\n\t\x9b\u202e\u2028\U000e0041") == "a\\x1b\\r\\n\\t\\x9b\\u202e\\u2028\\U000e0041"
    assert printable("a\n\tb\x00", keep="\n\t") == "a\n\tb\\x00"
    for fine in ("Grüße, мир, 世界, नमस\u094dत\u0947", "👩\u200d💻 क\u200cष", "C:\\temp"):
        assert printable(fine) == fine
    text = json.dumps({"a": HOSTILE}, ensure_ascii=False, indent=1)
    assert json.loads(printable_json(text)) == {"a": HOSTILE}
    assert harmless(printable_json(text))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("http://svc:S3cretPw@127.0.0.1:4250/v1 is busy", "S3cretPw"),
        ("mongodb+srv://admin:p@ssword@cluster.example/orbit", "ssword"),
        ("https://host/v1?api-version=1&api_key=0123456789abcdef", "0123456789abcdef"),
        ("Authorization: Bearer abc.def-ghi_jkl", "abc.def"),
        ("Incorrect API key provided: sk-proj-0123456789abcdef", "0123456789"),
        ("key api_0123456789abcdefABCDEF is unknown", "0123456789"),
    ],
)
def test_secrets_are_masked(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in without_secrets(text)
    error = ProviderError(text)
    assert secret not in f"{error.message} {error} {error.args}"


@pytest.mark.parametrize("text", ["set `api_key` to it", "see http://host:80/a?b=c", "write to a@b.example", "a = b"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize("form", ["text", "json", "journal"])
def test_a_record_of_the_server_log_is_one_line(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("orbit.observing.server_log._is_the_journal", lambda _: form == "journal")
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers = []
    try:
        configure_logging(Logging(format="json" if form == "json" else "text"), verbose=False)
        logging.getLogger("orbit.test").warning("asked %s of http://me:S3cretPw@host", HOSTILE)
        try:
            raise ValueError(HOSTILE + "\n2026-01-01 00:00:00 ERROR   orbit: forged")
        except ValueError:
            logging.getLogger("orbit.test").exception("failed")
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers, root.level = before, level
    written = stream.getvalue()
    assert harmless(written)
    assert "S3cretPw" not in written
    lines = written.splitlines()
    if form == "json":
        assert [json.loads(line)["level"] for line in lines] == ["WARNING", "ERROR"]
        return
    assert "asked a\\x1b[31mred" in lines[0]
    assert lines[1].endswith("orbit.test: failed")
    inner = [line.removeprefix("<3>") for line in lines[2:]]
    assert all(line.startswith("  ") for line in inner)
    assert any("forged" in line for line in inner)


def test_the_access_log_of_a_hostile_request(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    with serve({"echo": {}, "logging": {"access": True}}, tmp_path) as server:
        configure_logging(Logging(console=False, server_file=str(file)), verbose=False)
        address = httpx.URL(server.url)
        with socket.create_connection((address.host, address.port or 80)) as raw:
            raw.sendall(
                b"GET /%1b%5b31m%0d%0a2026%20forged%e2%80%a8%c2%9b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"X-Request-ID: \xc2\x9bred\r\nUser-Agent: \xc2\x9b2J\r\n\r\n"
            )
            answer = raw.makefile("rb").read()
        for _ in range(200):  # the line follows the answer
            if " 404 " in file.read_text("utf-8"):
                break
            time.sleep(0.05)
        configure_logging(Logging(console=False), verbose=False)
    written = file.read_text("utf-8")
    assert "/\\x1b[31m\\r\\n2026 forged\\u2028\\x9b 404" in written
    assert harmless(written)
    assert b"\xc2\x9b" not in answer


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "config.yaml"
    file.write_text(f"general: {{data_dir: {tmp_path}/data}}\necho: {{}}\n", "utf-8")
    return load_config(str(file))


def run(config: Config, *words: str) -> Any:
    return CliRunner().invoke(command, [*words, "--config", str(config.source)])


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_lists_of_keys_and_prompts(config: Config, options: tuple[str, ...]) -> None:
    async def filled() -> None:
        config.data_dir.mkdir(parents=True)
        async with open_database(config) as database:
            await database.create_key(new_key(HOSTILE, "letters", notes=HOSTILE)[1])

    asyncio.run(filled())
    for words in (("keys", "list"), ("prompts", "list")):
        result = run(config, *words, *options)
        assert result.exit_code == 0, result.output
        assert harmless(result.output)
        assert "forged line" not in [line.strip() for line in result.output.splitlines()]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_chat_log(tmp_path: Path, options: tuple[str, ...]) -> None:
    with serve({"echo": {}, "logging": {"file": {"directory": str(tmp_path / "log")}}}, tmp_path) as server:
        headers = {"X-API-Key": server.key}
        httpx.post(f"{server.url}/chat", json={"message": HOSTILE, "stream": False}, headers=headers)
    file = tmp_path / "config.yaml"
    file.write_text(
        f"general: {{data_dir: {tmp_path}}}\necho: {{}}\nlogging: {{file: {{directory: {tmp_path}/log}}}}\n"
    )
    result = CliRunner().invoke(command, ["logs", "search", "--config", str(file), *options])
    assert result.exit_code == 0, result.output
    assert "red" in result.output
    assert harmless(result.output)
    assert len(result.output.splitlines()) == 1


def test_names_of_files_that_are_ingested(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a\x1b[31m\u202e\r\nb.xyz").write_text("unreadable kind")
    (folder / "good.md").write_text("# Title\n\nText")
    file = tmp_path / "config.yaml"
    file.write_text(f"general: {{data_dir: {tmp_path}/data}}\necho: {{}}\nwordllama: {{}}\nchroma: {{}}\n")
    result = CliRunner().invoke(command, ["ingest", str(folder), "--collection", "letters", "--config", str(file)])
    assert "a\\x1b[31m\\u202e\\r\\nb.xyz" in result.output
    assert harmless(result.output)


def test_what_a_server_says_to_a_command(tmp_path: Path) -> None:
    with serve({"hostile": {}}, tmp_path, {"hostile": Hostile}) as server:
        words = ["chat", "--url", server.url, "--key", server.key, "hello"]
        result = CliRunner().invoke(command, words)
    assert "a\\x1b[31mred" in result.output
    assert harmless(result.output)


def test_errors_of_commands(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["check", "--config", str(tmp_path / "\x1b[31m\u202e.yaml")])
    shown = f"{result.output}{result.exception}"
    named = CliRunner().invoke(command, ["plugins", "show", "\x1b[31m\u202e"])
    assert result.exit_code
    assert named.exit_code
    assert harmless(named.output)
    assert "yaml" in shown
