import json

import pytest
from cli_kit import runner

from orbit.testing import serve


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"general:\n  data_dir: {tmp_path}/data\n")
    return str(file)


@pytest.fixture(params=["database", "server"])
def orbit(request, config, tmp_path, monkeypatch):
    """Run a command: directly on the database, and through a server that uses it."""
    monkeypatch.delenv("ORBIT_URL", raising=False)
    if request.param == "database":
        yield runner("--config", config)
    else:
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "the-administrators-own-token")
        with serve({"script": {}}, tmp_path / "data") as server:
            run = runner("--url", server.url)
            for key in json.loads(run("keys", "list", "--json").stdout):
                run("keys", "delete", key["id"])
            yield run
