"""Notifications of the server's state to systemd, or to any manager that sets ``NOTIFY_SOCKET``."""

from __future__ import annotations

import contextlib
import os
import socket
import sys


def notify(state: str) -> None:
    """Send a state such as ``READY=1``. Does nothing without a manager that listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract names
        address = "\0" + address[1:]
    if sys.platform != "win32":
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(address)
            channel.sendall(state.encode())
