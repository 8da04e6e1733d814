"""ORBIT's footprint before any work: CPU time of ``orbit --help`` and memory of an idle server.

    .venv/bin/python bench/footprint.py

Aims: help within 0.35 s of CPU time (user and system), without importing chromadb, llama_cpp or litestar; an idle
server without a model at most 200 MB resident. The reference for the first figure is an empty Python process, measured
alternately.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 9
HEAVY = ("chromadb", "llama_cpp", "litestar")
SERVER = """
import sys
from pathlib import Path
import uvicorn
from orbit.testing import make_host
from orbit.web.app import create_app
folder = Path(sys.argv[1])
host = make_host({"echo": {}, "logging": {"file": {"directory": str(folder / "logs")}}}, folder)
app = create_app(host.config, host)
uvicorn.run(app, port=0, loop="uvloop", http="httptools", log_config=None)
"""


def main() -> None:
    help_command = [str(Path(sys.executable).parent / "orbit"), "--help"]
    times: dict[str, list[float]] = {"python": [], "orbit": []}
    for _ in range(ROUNDS):
        times["python"].append(_process_seconds([sys.executable, "-c", "pass"]))
        times["orbit"].append(_process_seconds(help_command))
    python, orbit = (statistics.median(times[name]) for name in ("python", "orbit"))
    print(f"orbit --help: {orbit:.3f} s of process time (empty Python: {python:.3f} s; aim: at most 0.35 s)")
    code = f"import sys, orbit.cli; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    print(f"of {', '.join(HEAVY)} it imports: {loaded}")
    print(f"idle server without a model: {_idle_megabytes():.0f} MB resident (aim: at most 200 MB)")


def _process_seconds(command: list[str]) -> float:
    before = os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _idle_megabytes() -> float:
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([sys.executable, "-c", SERVER, folder])
        try:
            time.sleep(6)
            status = Path(f"/proc/{process.pid}/status").read_text()
            kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
            return int(kilobytes) / 1024
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
