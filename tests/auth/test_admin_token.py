"""The admin token: from the environment, else made once and kept in a file of its owner."""

import logging
import threading

import pytest

from orbit.auth.admin_token import VARIABLE, ensure_token, read_token, same_token, token_file
from orbit.config.load import parse_config
from orbit.errors import ConfigError


@pytest.fixture
def config(tmp_path):
    data = {"general": {"data_dir": str(tmp_path / "data" / "orbit")}}
    return parse_config(data, str(tmp_path / "config.yaml"), {})[0]


def test_a_token_is_made_once_for_its_owner_alone(config, caplog):
    assert read_token(config, {}) is None
    with caplog.at_level(logging.INFO, "orbit.admin"):
        token = ensure_token(config, {})
    file = token_file(config)
    assert file == config.data_dir / "admin-token"
    assert caplog.messages == [f"made an admin token: it is in {file.absolute()}"]
    assert token not in caplog.text
    assert len(token) == 43
    assert file.read_text("ascii") == token + "\n"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    caplog.clear()
    assert ensure_token(config, {}) == read_token(config, {}) == token
    assert not caplog.messages
    assert [found.name for found in file.parent.iterdir()] == [file.name]


def test_processes_that_start_at_once_agree_on_a_token(config):
    barrier, tokens = threading.Barrier(8), []

    def start():
        barrier.wait()
        tokens.append(ensure_token(config, {}))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 8
    assert len(set(tokens)) == 1
    assert [found.name for found in config.data_dir.iterdir()] == ["admin-token"]


def test_the_environment_comes_first(config):
    made = ensure_token(config, {})
    assert ensure_token(config, {VARIABLE: "  from-the-environment-123 "}) == "from-the-environment-123"
    assert ensure_token(config, {VARIABLE: "  "}) == made


def test_the_environments_own_file_counts(config, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / ".env").write_text(f"{VARIABLE}=from-the-file-of-variables")
    assert read_token(config) == ensure_token(config) == "from-the-file-of-variables"


@pytest.mark.parametrize(("length", "warned"), [(19, True), (20, False)])
def test_a_short_token_is_warned_of(config, caplog, length, warned):
    assert ensure_token(config, {VARIABLE: "a" * length}) == "a" * length
    expected = ["the admin token is short; use one of at least 20 characters"] if warned else []
    assert caplog.messages == expected


@pytest.mark.parametrize("token", ["tökén-of-the-operator", "two words-of-the-operator", "bell\x07-of-the-operator"])
def test_a_token_that_headers_cannot_carry_is_refused(config, token):
    sentence = "must be of printable ASCII characters without spaces"
    with pytest.raises(ConfigError, match=sentence) as caught:
        read_token(config, {VARIABLE: token})
    assert caught.value.problems[0].path == VARIABLE
    assert token not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b" \n", b"two words"])
def test_a_spoiled_file_is_named(config, content):
    token_file(config).parent.mkdir(parents=True)
    token_file(config).write_bytes(content)
    with pytest.raises(ConfigError, match="printable ASCII") as caught:
        ensure_token(config, {})
    assert caught.value.problems[0].path == str(token_file(config))


def test_a_file_that_cannot_be_read_or_written_is_named(config):
    file = token_file(config)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"admin-token cannot be read: .*codec"):
        read_token(config, {})
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match=r"admin-token cannot be read: .*directory"):
        read_token(config, {})
    file.rmdir()
    file.parent.rmdir()
    file.parent.write_text("")
    with pytest.raises(ConfigError, match="cannot be"):
        ensure_token(config, {})


def test_a_folder_that_cannot_be_written_is_named(config, monkeypatch):
    monkeypatch.setattr("orbit.auth.admin_token.tempfile.mkstemp", lambda **_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(ConfigError, match=r"admin-token cannot be written: full"):
        ensure_token(config, {})


def test_tokens_are_compared_whole():
    assert same_token("a" * 5000, "a" * 5000)
    assert not same_token("token", "token2")
    assert not same_token("", "token")
    assert not same_token("\udcff", "token")
    assert same_token("a" * 4096 + "b", "a" * 4096 + "c"), "no more than 4096 characters are compared"
    assert not same_token("a" * 4095 + "b", "a" * 4095 + "c")
