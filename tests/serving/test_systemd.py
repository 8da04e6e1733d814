"""Notifications to systemd arrive at the socket that it names, and never disturb a server without one."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from orbit.serving.systemd import notify


def received(address: str, monkeypatch: pytest.MonkeyPatch, announced: str) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(address)
        channel.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", announced)
        notify("READY=1")
        return channel.recv(100)


def test_a_state_reaches_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert received(str(tmp_path / "s"), monkeypatch, str(tmp_path / "s")) == b"READY=1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names")
def test_a_state_reaches_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"orbit-test-{os.getpid()}"
    assert received(f"\0{name}", monkeypatch, f"@{name}") == b"READY=1"


@pytest.mark.parametrize("announced", ["", "/nowhere/notify"])
def test_without_a_listener_nothing_happens(monkeypatch: pytest.MonkeyPatch, announced: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", announced)
    notify("READY=1")
