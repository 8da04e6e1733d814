"""``orbit token``: a rotation that a running server follows without a restart."""

import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli_kit import runner

from orbit.testing import serve


@pytest.fixture(autouse=True)
def no_token_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ORBIT_ADMIN_TOKEN", "API_ADMIN_TOKEN", "ORBIT_URL", "API_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)


def status(server: Any, token: str) -> int:
    return httpx.get(f"{server.url}/admin/api-keys", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_server_follows_a_rotation_and_ends_sign_ins(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"general: {{data_dir: {tmp_path}/data}}\n")
    orbit = runner("--config", str(config))
    assert "no admin token yet" in orbit("token", "show", code=1).output
    with serve({"echo": {}}, tmp_path / "data") as server, httpx.Client(base_url=server.url) as browser:
        old = orbit("token", "show").output.strip()
        assert status(server, old) == 200
        signed_in = browser.post("/admin/session", headers={"Authorization": f"Bearer {old}"})
        assert signed_in.status_code < 300
        assert browser.get("/admin/session").status_code == 200
        new = orbit("token", "rotate").output.strip()
        assert new != old
        assert (status(server, old), status(server, new)) == (401, 200)
        assert browser.get("/admin/session").status_code == 401
    file = tmp_path / "data" / "admin-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.glob(".admin-token-*")] == []


@pytest.mark.parametrize("variable", ["ORBIT_ADMIN_TOKEN", "API_ADMIN_TOKEN"])
def test_a_token_of_the_environment_is_not_rotated(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"general: {{data_dir: {tmp_path}/data}}\n")
    monkeypatch.setenv(variable, "the-administrators-own-token")
    result = runner("--config", str(config))("token", "rotate", code=1)
    assert f"{variable} in the environment" in str(result.exception)
    assert not (tmp_path / "data").exists()


def test_the_variables_of_the_earlier_orbit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "the-administrators-own-token"
    monkeypatch.setenv("API_ADMIN_TOKEN", token)
    with serve({"echo": {}}, tmp_path / "data") as server:
        monkeypatch.setenv("API_SERVER_URL", server.url)
        assert status(server, token) == 200
        assert '"client_name": "test"' in runner()("keys", "list", "--json").output


def test_the_example_value_of_the_earlier_orbit_is_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_ADMIN_TOKEN", "two words")
    with serve({"echo": {}}, tmp_path / "data") as server:
        assert status(server, (tmp_path / "data" / "admin-token").read_text().strip()) == 200
