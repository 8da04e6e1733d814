"""``orbit chat``."""

from pathlib import Path

from click.testing import CliRunner, Result

from orbit.cli import orbit
from orbit.testing import serve


def run(*arguments: str) -> Result:
    return CliRunner().invoke(orbit, list(arguments))


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
    assert "Error: This key is not valid: " in refused.output
    assert "no server answers at" in away.output
    assert "an API key is needed" in keyless.output
    assert "use --temporary-key" in keyless.output
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
