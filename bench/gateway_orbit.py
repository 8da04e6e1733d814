"""The ORBIT process of ``gateway.py``.

``gateway_orbit.py FOLDER UPSTREAM URL PORT`` writes a key to ``FOLDER/key``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway_plugin import FakeUpstream
from orbit_ollama import OllamaProvider
from orbit_server import run_orbit

from orbit.provider import Provider

PLUGINS: dict[str, tuple[type[Provider], dict[str, str]]] = {
    "fake": (FakeUpstream, {"url": "{url}"}),
    "ollama": (OllamaProvider, {"base_url": "{url}", "model": "bench"}),
}
"""Upstream -> its plugin and settings."""


def main() -> None:
    folder, upstream, url, port = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    plugin, settings = PLUGINS[upstream]
    own = {key: value.format(url=url) for key, value in settings.items()}
    run_orbit({"upstream": own}, folder, {"upstream": plugin}, port)


if __name__ == "__main__":
    main()
