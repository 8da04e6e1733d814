"""``orbit plugins``."""

import json
import subprocess
import sys
from pathlib import Path

ORBIT = [sys.executable, "-m", "orbit"]


def typed(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ORBIT, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_plugins_lists_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("wordllama: {}\nollma: {}\nchroma:\n  port: 99999999\n")
    rows = {row["plugin"]: row for row in json.loads(typed("plugins", "--json", cwd=tmp_path).stdout)}
    assert (rows["wordllama"]["state"], rows["wordllama"]["hooks"]) == ("enabled", ["embed", "embed_tokens"])
    assert rows["wordllama"]["distribution"] == "orbit-wordllama"
    assert rows["wordllama"]["version"]
    assert rows["llama_cpp"]["state"] == "installed"
    assert rows["chroma"]["state"] == "failed"
    assert "chroma.port: expected a whole number of at most 65535, got the number 99999999" in rows["chroma"]["reason"]
    assert rows["ollma"]["state"] == "failed"
    assert "wordllama" in typed("plugins", cwd=tmp_path).stdout
