"""Machines on a network of their own: network namespaces that a bridge joins, with links to cut and to slow down."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

_CLONE_NEWNET = 0x40000000
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_numbers = itertools.count()


class NotPermitted(Exception):
    """This user may not make network namespaces here, or the programs are missing."""


class Network:
    """``lan`` is the machine in the middle, with the address ``.1``; the others follow from ``.11`` on.

    Threads and the processes that they start are on a machine within ``with network.on(NAME)``. Raises NotPermitted.
    """

    def __init__(self, machines: Sequence[str]) -> None:
        self._names = {name: f"orbit-{os.getpid()}-{next(_numbers)}" for name in ("lan", *machines)}
        self.addresses = {"lan": "10.77.0.1"} | {name: f"10.77.0.{11 + i}" for i, name in enumerate(machines)}

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names.values():
            if Path(f"/run/netns/{name}").exists():
                _run("ip", "netns", "del", name)

    @contextlib.contextmanager
    def on(self, machine: str) -> Iterator[None]:
        """Put this thread on a machine."""
        home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        try:
            there = os.open(f"/run/netns/{self._names[machine]}", os.O_RDONLY)
            try:
                _enter(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _enter(home)
        finally:
            os.close(home)

    def cut(self, machine: str) -> None:
        """Lose all packets of a machine, which does not notice."""
        _run("bridge", "-n", self._names["lan"], "link", "set", "dev", machine, "state", "0")

    def join(self, machine: str) -> None:
        """Undo ``cut``."""
        _run("bridge", "-n", self._names["lan"], "link", "set", "dev", machine, "state", "3")

    def slow(self, machine: str, rate: str = "64kbit") -> None:
        """Let only so many bits a second through, in each direction."""
        for name, device in ((self._names["lan"], machine), (self._names[machine], "eth0")):
            shaped = ("tbf", "rate", rate, "burst", "2kb", "latency", "2s")
            _run("tc", "-n", name, "qdisc", "add", "dev", device, "root", *shaped)

    def hasten(self, machine: str) -> None:
        """Undo ``slow``."""
        for name, device in ((self._names["lan"], machine), (self._names[machine], "eth0")):
            _run("tc", "-n", name, "qdisc", "del", "dev", device, "root")

    def lose(self, machine: str, other: str) -> None:
        """Lose what a machine sends to another one, until ``find``."""
        _run("ip", "-n", self._names[machine], "route", "add", "blackhole", f"{self.addresses[other]}/32")

    def find(self, machine: str, other: str) -> None:
        """Undo ``lose``."""
        _run("ip", "-n", self._names[machine], "route", "del", "blackhole", f"{self.addresses[other]}/32")

    def _make(self) -> None:
        lan = self._names["lan"]
        for name in self._names.values():
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", lan, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", lan, "addr", "add", f"{self.addresses['lan']}/24", "dev", "br0")
        _run("ip", "-n", lan, "link", "set", "br0", "up")
        for machine, name in self._names.items():
            if machine == "lan":
                continue
            peer = ("type", "veth", "peer", "name", "eth0", "netns", name)
            _run("ip", "-n", lan, "link", "add", "name", machine, *peer)
            _run("ip", "-n", lan, "link", "set", "dev", machine, "master", "br0", "up")
            _run("ip", "-n", name, "addr", "add", f"{self.addresses[machine]}/24", "dev", "eth0")
            _run("ip", "-n", name, "link", "set", "eth0", "up")


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program, path=_PATH)
    if found is None:
        raise NotPermitted(f"needs {program}: scripts/system-packages.sh")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotPermitted(f"{program} {' '.join(arguments)}: {done.stderr.strip()}")


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise NotPermitted(os.strerror(ctypes.get_errno()))
