"""``orbit`` as people type it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orbit.cli import main, orbit
from orbit.testing import serve

ORBIT = [sys.executable, "-m", "orbit"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(orbit, list(arguments))


def typed(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ORBIT, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_help_is_light(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['orbit', '--help']\n"
        "from orbit.cli import main\n"
        "try: main()\n"
        "finally: print([m for m in ('litestar', 'chromadb', 'llama_cpp', 'numpy', 'uvicorn') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert shown.stdout.endswith("[]\n"), shown.stdout + shown.stderr
    assert "serve" in shown.stdout


def test_an_unknown_command() -> None:
    result = run("serv")
    assert result.exit_code == 2
    assert "No such command 'serv'. Did you mean 'serve'?" in result.output


def test_check_prints_five_sentences_for_five_mistakes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        """
general:
  prot: 3000
  stream_text: cumul
ollma:
  model: x
chroma:
  relevance_threshold: high
elasticsearch:
  enabled: maybe
"""
    )
    shown = typed("check", cwd=tmp_path)
    assert shown.returncode == 1
    lines = shown.stderr.splitlines()
    assert lines[0] == "The configuration has 5 problems:"
    assert len(lines) == 6
    assert "general.prot: there is no such setting. Did you mean 'port'?" in lines[1]
    assert any("ollma: no section or plugin is named 'ollma'. Did you mean 'ollama'?" in line for line in lines)
    assert any("chroma.relevance_threshold: expected a number" in line for line in lines)
    assert "Traceback" not in shown.stderr


def test_check_of_a_good_configuration(tmp_path: Path) -> None:
    shown = typed("check", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == "the embedded default is right. Enabled: llama_cpp, wordllama, chroma, files.\n"
    assert list(tmp_path.iterdir()) == [], "nothing is started, nothing is made"


def test_plugins_lists_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("wordllama: {}\nollma: {}\nchroma:\n  port: 99999999\n")
    rows = {row["plugin"]: row for row in json.loads(typed("plugins", "--json", cwd=tmp_path).stdout)}
    assert (rows["wordllama"]["state"], rows["wordllama"]["hooks"]) == ("enabled", ["embed"])
    assert rows["wordllama"]["distribution"] == "orbit-wordllama"
    assert rows["wordllama"]["version"]
    assert rows["llama_cpp"]["state"] == "installed"
    assert rows["chroma"]["state"] == "failed"
    assert "chroma.port: expected a whole number of at most 65535, got the number 99999999" in rows["chroma"]["reason"]
    assert rows["ollma"]["state"] == "failed"
    assert "wordllama" in typed("plugins", cwd=tmp_path).stdout


def test_chat_from_the_terminal(tmp_path: Path) -> None:
    with serve({"echo": {}, "shelf": {"texts": ["a passage"]}}, tmp_path) as server:
        asked = run("chat", "--url", server.url, "--key", server.key, "how", "are", "you?")
        several = CliRunner().invoke(
            orbit, ["chat", "--url", server.url, "--key", server.key, "--no-sources"], input="one\n\ntwo\n"
        )
        refused = run("chat", "--url", server.url, "--key", "wrong", "hello")
    away = run("chat", "--url", server.url, "--key", server.key, "hello")
    keyless = CliRunner(env={"ORBIT_API_KEY": ""}).invoke(orbit, ["chat", "hello"])
    assert asked.exit_code == 0, asked.output
    assert "how are you?" in asked.output
    assert "[1] shelf.md (1.00)" in asked.output
    assert several.output.count("Answer from the passages: ") == 2
    assert "A valid API key is required" in refused.output
    assert "no server answers at" in away.output
    assert "an API key is needed" in keyless.output
    assert "--temporary-key does without" in keyless.output
    assert {refused.exit_code, away.exit_code, keyless.exit_code} == {1}


def test_questions_in_the_terminal_are_one_conversation(tmp_path: Path) -> None:
    with serve({"script": {"words": 1}}, tmp_path) as server:
        place = ["--url", server.url, "--key", server.key]
        CliRunner().invoke(orbit, ["chat", *place], input="one\ntwo\n")
        begun = run("chat", *place, "--session", "new", "three")
        session = begun.output.strip().rpartition("session ")[2]
        run("chat", *place, "--session", session, "four")
        prompts = [[message.content for message in messages[1:]] for messages, *_ in server.provider("script").seen]
    with serve({"script": {}, "sessions": {"enabled": False}}, tmp_path / "off") as server:
        place = ["--url", server.url, "--key", server.key]
        several = CliRunner().invoke(orbit, ["chat", *place], input="one\ntwo\n")
        off = run("chat", *place, "--session", "new", "three")
    assert prompts == [["one"], ["one", "word0 ", "two"], ["three"], ["three", "word0 ", "four"]]
    assert several.output.count("word2") == 2
    assert off.output.endswith("the server keeps no conversations\n")


def test_chat_tells_of_an_answer_that_broke_off(tmp_path: Path) -> None:
    with serve({"script": {"fail_after": 2}}, tmp_path) as server:
        result = run("chat", "--url", server.url, "--key", server.key, "hello")
    assert result.exit_code == 1
    assert "word0 word1" in result.output
    assert "The model could not answer. Request id:" in result.output


def test_errors_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["orbit", "check", "--config", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "there is no such file" in capsys.readouterr().err
