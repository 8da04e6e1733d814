"""Which client can do what with ORBIT: runs the scripts of ``asking`` on a server, and prints the table.

``python tests/clients/client_matrix.py`` prints it as docs/clients.md shows it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

sys.path += [str(Path(__file__).parents[1] / "kits"), str(Path(__file__).parent)]

from answering import Answering  # found by the line above
from chat_kit import Library
from tools_model import PIXEL

from orbit.testing import RunningServer, serve

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
FEATURES = ("chat", "stream", "usage", "JSON schema", "tools", "image", "Responses", "sources", "errors")
_MODULES = ROOT / ".venv" / "node" / "node_modules"
_PYTHON = ROOT / ".venv" / "clients" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
_SECONDS = 100
_OTHERS = ("OPENAI", "ANTHROPIC", "PYTEST", "COV")
"""Variables that would send a client elsewhere, or change its interpreter, begin with these."""


class Client(msgspec.Struct, frozen=True):
    """A client, and the script that asks with it. ``package`` is what its environment must have.

    Python packages are in ``.venv/clients``, unless ORBIT's own environment has them (``beside`` is False).
    """

    name: str
    script: str
    package: str = ""
    beside: bool = True

    def missing(self) -> str:
        """Return why the client cannot run here; empty if it can."""
        if self.package:
            if shutil.which("node") is None:
                return "Node.js is not installed (Debian: apt install nodejs npm)"
            folder = _MODULES / self.package
            return "" if folder.exists() else f"{folder} is missing: scripts/setup.sh --dev installs it if there is npm"
        return "" if not self.beside or _PYTHON.exists() else f"{_PYTHON} is missing: scripts/setup.sh --dev makes it"

    def results(self, server: RunningServer) -> dict[str, str]:
        """Ask with the client, and return what came of each feature."""
        command = [shutil.which("node") or ""] if self.package else [str(_PYTHON) if self.beside else sys.executable]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)},
            "ORBIT_URL": server.url,
            "ORBIT_KEY": server.key,
            "ORBIT_IMAGE": f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}",
            "NODE_MODULES": str(_MODULES),
            "PYTHONWARNINGS": "ignore",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no look-up in the network
            "TIKTOKEN_CACHE_DIR": tempfile.gettempdir(),
        }
        command.append(str(TESTS / "clients" / "asking" / self.script))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        results: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])["results"]
        return results


CLIENTS = (
    Client("openai (Python)", "ask_openai.py", beside=False),
    Client("openai (JavaScript)", "ask_openai_js.mjs", "openai"),
    Client("anthropic (Python)", "ask_anthropic.py", beside=False),
    Client("LiteLLM", "ask_litellm.py"),
    Client("LangChain", "ask_langchain.py"),
    Client("LlamaIndex", "ask_llama_index.py"),
    Client("Pydantic AI", "ask_pydantic_ai.py"),
    Client("Instructor", "ask_instructor.py"),
    Client("Vercel AI SDK", "ask_ai_sdk.mjs", "ai"),
    Client("llm", "ask_llm.py", beside=False),
)


@contextmanager
def served(folder: Path) -> Iterator[RunningServer]:
    """Serve a model that follows requests to the letter, and two passages."""
    config: dict[str, Any] = {"answering": {}, "library": {}}
    with serve(config, folder, {"answering": Answering, "library": Library}) as server:
        yield server


def row(name: str, results: Mapping[str, str]) -> str:
    """Return a line of the table."""
    return f"| {name} | " + " | ".join(results[feature] for feature in FEATURES) + " |"


def main() -> None:
    """Print the table."""
    lines = ["| client | " + " | ".join(FEATURES) + " |", "|---" * (len(FEATURES) + 1) + "|"]
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        for client in CLIENTS:
            missing = client.missing()
            lines.append(f"| {client.name} | {missing}" if missing else row(client.name, client.results(server)))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
