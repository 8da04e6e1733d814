"""The ORBIT process of ``gateway.py``.

``gateway_orbit.py FOLDER UPSTREAM URL PORT`` writes a key to ``FOLDER/key``. UPSTREAM is ``fake``, ``ollama``, or the
fake one as two models, of which one can call tools: ``models`` without tools, ``tools`` with those of an MCP server.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gateway_plugin import AbleUpstream, FakeUpstream
from orbit_ollama import OllamaProvider
from orbit_server import run_orbit

from orbit.provider import Provider

SERVER = Path(__file__).parents[1] / "tests" / "wires" / "mcp_server.py"


def configured(upstream: str, url: str) -> tuple[dict[str, Any], dict[str, type[Provider]]]:
    """Return the sections of the configuration for an upstream, and the plugins that they need."""
    if upstream == "ollama":
        return {"upstream": {"base_url": url, "model": "bench"}}, {"upstream": OllamaProvider}
    if upstream == "fake":
        return {"upstream": {"url": url}}, {"upstream": FakeUpstream}
    models = {name: {"provider": name} for name in ("unable", "able")}
    sections: dict[str, Any] = {"unable": {"url": url}, "able": {"url": url}, "models": {"default": "able", **models}}
    if upstream == "tools":
        sections["mcp"] = {"servers": {"bench": {"command": sys.executable, "args": ["-S", str(SERVER)]}}}
    return sections, {"unable": FakeUpstream, "able": AbleUpstream}


def main() -> None:
    folder, upstream, url, port = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    sections, plugins = configured(upstream, url)
    run_orbit(sections, folder, plugins, port)


if __name__ == "__main__":
    main()
