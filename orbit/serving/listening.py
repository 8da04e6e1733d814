"""The sockets that the server listens on."""

from __future__ import annotations

import errno
import socket

from orbit.errors import ConfigError

_UNSENT_BYTES = 65_536
"""How much unsent data the kernel holds for a slow reader. The default is megabytes, which hides stalled clients."""


def bind(host: str, port: int, setting: str = "general.port") -> socket.socket:
    """Reserve an address. Raises ConfigError if it is not available.

    The server listens when it has started: until then connections are refused, so that load balancers go elsewhere.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # connections inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
    except OSError as error:
        listener.close()
        raise cannot_listen(host, port, setting, error) from error
    listener.set_inheritable(True)
    return listener


def cannot_listen(host: str, port: int, setting: str, error: OSError) -> ConfigError:
    """Return the error of an address that is not available."""
    reason = error.strerror or str(error)
    option = "--port or general.port" if setting == "general.port" else setting
    advice = {
        errno.EADDRINUSE: f"Choose another with {option}, or stop the program that uses it.",
        errno.EACCES: f"Choose a port above 1023 with {option}, or give the server the right to use this one.",
    }.get(error.errno or 0, "general.host must be an address of this machine, or 0.0.0.0 for all that it has.")
    return ConfigError(f"cannot listen on {host}, port {port}: {reason}. {advice}")


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """Return the URL at which this machine reaches the server."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104  # every interface, this machine's own among them
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
