"""``/v1`` as the ``openai`` package for Node.js speaks it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from flaky import Flaky

from orbit.testing import serve

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / ".venv" / "node" / "node_modules" / "openai"
SCRIPT = Path(__file__).with_name("ask.mjs")


def test_the_package_for_node(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed (Debian: apt install nodejs npm)")
    if not PACKAGE.exists():
        pytest.skip(f"{PACKAGE} is missing: scripts/setup.sh --dev installs it if there is npm")
    config = {"flaky": {}, "wordllama": {}, "shelf": {"texts": ["a passage"]}}
    with serve(config, tmp_path, {"flaky": Flaky}) as server:
        embedding = server.provider("wordllama").model("embed")
        environment = {
            "PATH": os.environ["PATH"],
            "OPENAI_PACKAGE": str(PACKAGE),
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "OPENAI_API_KEY": server.key,
            "EMBEDDING_MODEL": embedding,
        }
        done = subprocess.run(
            [node, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["whole"] == seen["final"] == seen["flaky"] == "one two three"
    assert seen["sources"] == ["a passage"]
    assert seen["streamed"]["text"] == "one two three"
    assert seen["streamed"]["finish"] == "stop"
    counts = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert seen["streamed"]["usage"].items() >= counts.items()
    assert seen["rounds"] == {"call": "weather", "finish": "tool_calls", "streamed": "{}", "reply": "one two three"}
    assert seen["models"] == ["flaky", "orbit"]
    assert len(set(seen["dimensions"])) == 1
    assert seen["dimensions"][0] > 1
    assert seen["errors"] == {
        "key": {"name": "AuthenticationError", "status": 401, "code": "invalid_api_key"},
        "model": {"name": "NotFoundError", "status": 404, "code": "model_not_found"},
        "parameter": {"name": "BadRequestError", "status": 400, "code": "unsupported_value"},
        "away": {"name": "InternalServerError", "status": 503, "code": "provider_unavailable"},
    }
