"""Where `orbit keys` and `orbit prompts` work: the admin token and the address of a server."""

import pytest
from cli_kit import runner

from orbit.serving.sole_server import LOCK
from orbit.testing import serve


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.delenv("ORBIT_ADMIN_TOKEN", raising=False)
    with serve({"script": {}}, tmp_path / "data") as server:
        yield server


def test_the_token_comes_from_a_file_or_the_configuration(server, tmp_path, config, monkeypatch):
    token_file = tmp_path / "data" / "admin-token"
    runner("--url", server.url, "--token-file", str(token_file))("keys", "list")
    runner("--url", server.url, "--config", config)("keys", "list")
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", token_file.read_text().strip())
    runner("--url", server.url)("keys", "list")
    monkeypatch.setenv("ORBIT_URL", server.url)
    runner()("keys", "list")


def test_without_the_right_token_it_is_exit_code_4(server, monkeypatch):
    for token in ("wrong", server.key):
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", token)
        result = runner("--url", server.url)("keys", "list", code=4)
        assert "token" in result.stderr
        assert token not in result.output


def test_testing_a_key_needs_no_token(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner("--url", server.url)("keys", "test", "--key", server.key)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://", "ftp://127.0.0.1"])
def test_no_server_is_exit_code_3(url, monkeypatch):
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "any-token")
    result = runner("--url", url)("keys", "list", code=3)
    assert "reached" in result.stderr


def test_migration_is_work_on_the_database(server, monkeypatch):
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "any-token")
    result = runner("--url", server.url)("keys", "migrate", code=1)
    assert "without --url" in result.stderr


def test_a_reload_without_a_server_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORBIT_URL", raising=False)
    (tmp_path / "config.yaml").write_text("general: {port: 1, data_dir: state}\nscript: {}\n")
    unused = runner()("reload", code=3).stderr
    assert (
        f"No server has used the data folder {tmp_path / 'state'}; name one that runs elsewhere: --url URL." in unused
    )
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / LOCK).write_text("1\nhttp://127.0.0.1:1\n")
    assert "Is the server running? Its next start reads the configuration." in runner()("reload", code=3).stderr
