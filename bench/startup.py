"""The start-up cost of installed but disabled plugins: only reading their metadata.

    .venv/bin/python bench/startup.py [--rounds 7]

Starts a host with the plugin ``echo`` in a new process, with 0, 5 and 50 other plugins on the path. Their modules raise
an error on import, so a successful start has imported none. The figures are medians of the process's CPU time (user and
system), with alternating cases.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGINS = (0, 5, 50)
AIM = 1.05
START = """
import asyncio
from orbit.host.host import OrbitHost

async def main():
    async with OrbitHost.from_file("config.yaml"):
        pass

asyncio.run(main())
"""


def install(site: Path, number: int) -> None:
    """Install a distribution with a plugin into a folder, as pip would."""
    name = f"disabled_{number}"
    (site / f"{name}.py").write_text("raise RuntimeError('a disabled plugin was imported')\n")
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[orbit]\n{name} = {name}:Plugin\n")
    (metadata / "RECORD").write_text(f"{name}.py,,\n")


def process_seconds(folder: Path, site: Path) -> float:
    """Return the CPU time of a process that starts and stops a host."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    subprocess.run([sys.executable, "-c", START], cwd=folder, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text("echo: {}\nlogging: {file: {enabled: false}}\n")
        for plugins in PLUGINS:
            site = folder / f"site-{plugins}"
            site.mkdir()
            for number in range(plugins):
                install(site, number)
        times: dict[int, list[float]] = {plugins: [] for plugins in PLUGINS}
        for _ in range(rounds):
            for plugins in PLUGINS:
                times[plugins].append(process_seconds(folder, folder / f"site-{plugins}"))
    medians = {plugins: statistics.median(seconds) for plugins, seconds in times.items()}
    for plugins, seconds in medians.items():
        print(f"{plugins:>3} disabled plugins: {seconds * 1000:.0f} ms of CPU time")
    ratio = medians[PLUGINS[-1]] / medians[0]
    added = (medians[PLUGINS[-1]] - medians[0]) / PLUGINS[-1] * 1000
    print(f"{PLUGINS[-1]} against none: {ratio:.3f} times ({added:.2f} ms a plugin; aim: at most {AIM:g} times)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    main(parser.parse_args().rounds)
