"""The admin token: from the environment, else made once and kept in a file of its owner."""

import logging
import threading

import pytest

from orbit.auth.admin_token import (
    EARLIER_VARIABLE,
    VARIABLE,
    TokenInForce,
    ensure_token,
    from_environment,
    read_token,
    rotate_token,
    same_token,
    token_file,
)
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


def test_a_token_of_the_earlier_variable_counts_after_the_own_one(config):
    both = {VARIABLE: "from-the-own-variable-1", EARLIER_VARIABLE: "from-the-earlier-one-1"}
    assert from_environment(config, both) == (VARIABLE, "from-the-own-variable-1")
    assert from_environment(config, {EARLIER_VARIABLE: " earlier "}) == (EARLIER_VARIABLE, "earlier")
    assert from_environment(config, {EARLIER_VARIABLE: "two words"}) is None
    assert from_environment(config, {}) is None


def test_a_rotation_replaces_the_file_at_once(config, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    first = ensure_token(config)
    second = rotate_token(config)
    assert (len(second), read_token(config)) == (43, second)
    assert second != first
    assert [found.name for found in config.data_dir.iterdir()] == ["admin-token"]
    assert token_file(config).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("variable", [VARIABLE, EARLIER_VARIABLE])
def test_a_token_of_the_environment_is_changed_there(config, monkeypatch, variable):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv(variable, "from-the-environment-123")
    with pytest.raises(ConfigError) as caught:
        rotate_token(config)
    sentence = f"the admin token comes from {variable} in the environment or .env; change it there and restart"
    assert sentence in str(caught.value)
    assert not token_file(config).exists()


def test_a_rotation_that_cannot_be_written_is_an_error(config, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    token_file(config).mkdir(parents=True)  # no file can replace a folder
    with pytest.raises(ConfigError, match=r"admin-token cannot be written: "):
        rotate_token(config)
    assert [found.name for found in config.data_dir.iterdir()] == ["admin-token"]


@pytest.fixture
def in_force(config, monkeypatch, caplog):
    monkeypatch.delenv(VARIABLE, raising=False)
    made = TokenInForce(config)
    caplog.clear()
    caplog.set_level(logging.INFO, "orbit.admin")
    return made


def test_a_server_takes_a_rotated_token(config, in_force, caplog):
    assert in_force.value == read_token(config)
    assert not in_force.renewed()
    token = rotate_token(config)
    assert in_force.renewed()
    assert in_force.value == token
    assert not in_force.renewed()
    assert caplog.messages == ["the admin token was rotated: the one before it and all sign-ins have ended"]


def test_a_file_written_again_with_the_same_token_changes_nothing(config, in_force, caplog):
    file, token = token_file(config), in_force.value
    file.unlink()
    file.write_text(token)
    assert not in_force.renewed()
    assert (in_force.value, caplog.messages) == (token, [])


def test_a_server_keeps_its_token_while_the_file_is_gone_or_spoiled(config, in_force, caplog):
    file, token = token_file(config), in_force.value
    file.unlink()
    assert not in_force.renewed()
    assert not caplog.messages
    file.write_text("two words")
    assert not in_force.renewed()
    assert in_force.value == token
    (message,) = caplog.messages
    assert message.startswith("the admin token is not renewed: ")
    assert "printable ASCII" in message
    assert not in_force.renewed()
    assert caplog.messages == [message]  # once for each change of the file
    good = file.with_name("good")
    good.write_text("a-good-token-of-the-operator")
    good.replace(file)  # another file for sure, whatever the clock of the disk
    assert in_force.renewed()
    assert in_force.value == "a-good-token-of-the-operator"


def test_a_token_of_the_environment_follows_no_file(config):
    held = TokenInForce(config, {VARIABLE: "from-the-environment-123"})
    token_file(config).parent.mkdir(parents=True)
    token_file(config).write_text("another-token-of-somebody")
    assert not held.renewed()
    assert held.value == "from-the-environment-123"
