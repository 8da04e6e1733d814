"""Settings that each have the right type and cannot work: plugins say so before the start."""

from pathlib import Path
from typing import Any

import pytest

from orbit.host.plugins.discover import installed_plugins
from orbit.testing import make_host

INSTALLED = installed_plugins()

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("openai", {"model": "m", "api_key": "S3cret\nX: y"}, "api_key contains a line break or another control character"),
    ("openai", {"model": "m", "api_key": "S3cretü"}, "api_key contains a character outside ASCII"),
    ("openai", {"model": "m", "api_key": " S3cret"}, "api_key begins or ends with a space."),
    ("openai", {"model": "m", "headers": {"a b": "S3cret"}}, "headers: 'a b' is not a valid header name"),
    ("openai", {"model": "m", "extra_body": {"stream": False}}, "extra_body.stream is set by ORBIT for each request"),
    ("openai", {"model": "m", "max_tokens": 9000, "context_window": 4096}, "max_tokens (9000) leaves no room in"),
    ("anthropic", {}, "set `model`, such as claude-sonnet-5."),
    ("anthropic", {"model": "m", "api_key": "S3cret\nX: y"}, "api_key contains a line break"),
    ("anthropic", {"model": "m", "base_url": "localhost:1"}, "base_url 'localhost:1' is not of the form https://HOST"),
    ("anthropic", {"model": "m", "extra_body": {"stream": False}}, "extra_body.stream is set by ORBIT for each"),
    ("anthropic", {"model": "m", "max_tokens": 900, "context_window": 900}, "max_tokens (900) leaves no room in"),
    ("ollama", {"model": "m", "headers": {"X-Key": "S3cret\r"}}, "headers.X-Key contains a line break"),
    ("chroma", {"host": "h", "headers": {"X-Key": "S3cret\0"}}, "headers.X-Key contains a line break"),
    ("chroma", {"host": "localhost:8000"}, "host is a name or an address, not 'localhost:8000'; its port is set by"),
    ("chroma", {"path": "{tmp}/file"}, "path: {tmp}/file cannot be a folder, because {tmp}/file is not one"),
    ("chroma", {"path": "{tmp}/file/x"}, "path: {tmp}/file/x cannot be a folder, because {tmp}/file is not one"),
    ("elasticsearch", {"api_key": "S3cret\n"}, "api_key contains a line break"),
    ("elasticsearch", {}, "there is no chat log to send; leave logging.file.enabled on"),
    ("llama_cpp", {"stop": ["end", ""]}, "stop: an empty text would end each answer before it begins"),
    ("llama_cpp", {"tensor_split": [-1, 2]}, "tensor_split: a share of the model cannot be below 0"),
    ("logging.file", {"filename": ".."}, "filename: cannot name a file"),
    ("logging.file", {"filename": "x" * 250}, "filename: cannot name a file"),
    ("logging.file", {"filename": "a\0b"}, "filename: cannot name a file"),
    ("logging.file", {"directory": "a\0b"}, "directory: its name cannot be used"),
    ("logging.file", {"redact": ["a*"]}, "redact: 'a*' matches an empty text, and therefore everywhere"),
]


@pytest.mark.parametrize(("section", "settings", "sentence"), WRONG)
def test_settings_that_cannot_work(tmp_path: Path, section: str, settings: dict[str, Any], sentence: str) -> None:
    (tmp_path / "file").touch()
    settings = {
        key: value.replace("{tmp}", str(tmp_path)) if isinstance(value, str) else value
        for key, value in settings.items()
    }
    given = {"logging": {"file": settings}} if section == "logging.file" else {section: settings}
    host = make_host({"echo": {}, **given}, tmp_path, installed=INSTALLED)
    told = [str(problem) for problem in host.problems if problem.path == section]
    assert any(one.startswith(f"{section}: {sentence.replace('{tmp}', str(tmp_path))}") for one in told), told
    assert "S3cret" not in "".join(told)


def test_a_mistake_in_the_settings_of_the_chat_log_does_not_mean_that_there_is_none(tmp_path: Path) -> None:
    given = {"echo": {}, "elasticsearch": {}, "logging": {"file": {"retention": 3}}}
    host = make_host(given, tmp_path, installed=INSTALLED)
    assert [problem.path for problem in host.problems] == ["logging.file.retention"]
