"""A provider that hangs is named in the log, and Ctrl-C or SIGTERM end the waiting."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orbit.host.plugins import announce
from orbit.testing import make_host

pytestmark = pytest.mark.processes

HANGS = {
    "importing": "import time\ntime.sleep(600)\nclass Plugin(orbit.Provider): pass",
    "checking": """
class Plugin(orbit.Provider):
    def validate(self):
        import time
        time.sleep(600)
""",
}


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", HANGS)
def test_a_plugin_that_hangs_before_the_start(install, tmp_path: Path, what: str, stop: int, command: str) -> None:
    site = install("wiki", HANGS[what])
    (tmp_path / "config.yaml").write_text(f"general: {{data_dir: {tmp_path}, port: 0}}\necho: {{}}\nwiki: {{}}\n")
    script = "import orbit.host.plugins.announce as a; a.SECONDS = 0.1; from orbit.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", script, command, "--config", str(tmp_path / "config.yaml")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.send_signal(stop)
        rest = process.communicate(timeout=60)[1]
    assert re.search(rf"still {what} (wiki:Plugin for )?wiki after 0\.1 s", line)
    assert process.returncode in (1, 130, -stop)
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("method", "words"), [("__aenter__", "starting wiki"), ("ready", "waiting for wiki to become ready")]
)
async def test_a_provider_that_takes_long_to_start_is_named(
    install, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, method: str, words: str
) -> None:
    monkeypatch.setattr(announce, "SECONDS", 0.05)
    source = f"""
import asyncio
class Plugin(orbit.Provider):
    async def {method}(self):
        await asyncio.sleep(60)
"""
    install("wiki", source)
    config = {"echo": {}, "wiki": {"required": False}, "timeouts": {"start": 0.5}}
    async with make_host(config, tmp_path):
        pass
    assert f"still {words} after 0.05 s; it may take up to 0.5 s (timeouts.start)" in caplog.text
    assert "wiki could not" in caplog.text
