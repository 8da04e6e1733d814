"""Checks of the server's own settings, made without opening a socket."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from orbit.auth.admin_token import read_token
from orbit.chatlog.settings import FileLogSettings
from orbit.config import Config
from orbit.config.folders import file_problems, folder_problems, under_data
from orbit.config.load import FILE_LOG
from orbit.config.model import Cors
from orbit.database import database_problems
from orbit.errors import ConfigError, Problem
from orbit.serving.tls import tls_problems

_WEB_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_ANY_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?/?")
_DEFAULT_PORT = re.compile(r"(http://.*:80|https://.*:443)/?", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_LOG = FileLogSettings()


def serving_problems(config: Config) -> list[Problem]:
    """Return what would keep the server from serving: addresses, files, certificates, proxies, origins."""
    general = config.host.general
    unusable = folder_problems("general.data_dir", config.data_dir)
    return [
        *_host_problems(general.host),
        *unusable,
        *database_problems(config),
        *_log_problems(config, data_usable=not unusable),
        *(_token_problems(config) if not unusable else ()),
        *tls_problems(general),
        *_proxy_problems(general.trusted_proxies),
        *_image_host_problems(general.image_hosts),
        *_cors_problems(config.host.cors),
        *_embedding_problems(config.host.pages.embed_origins),
    ]


def _host_problems(host: str) -> Iterator[Problem]:
    try:
        host.encode("idna")
        valid = not re.search(r"[/\s\0@]", host)
        if host.count(":") > 1:
            ipaddress.IPv6Address(host)
        elif re.fullmatch(r"[0-9.]+", host):
            socket.inet_aton(host)  # also short forms, such as 127.1
    except (ValueError, OSError):
        valid = False
    if not valid or (host.count(":") == 1):
        sentence = "is an address or name alone, such as 127.0.0.1 or 0.0.0.0; the port is general.port."
        yield Problem("general.host", sentence)
        return
    try:
        socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM)  # asks nobody about an address
    except OSError as error:
        sentence = f"'{host}' does not resolve ({error.strerror}); use a name or address of this machine, or 0.0.0.0."
        yield Problem("general.host", sentence)


def _log_problems(config: Config, *, data_usable: bool) -> Iterator[Problem]:
    """Return what would keep the server log and the chat log from being written.

    The problem of an unusable data folder is not repeated for the logs in it.
    """
    for path, problems in (*_server_log(config), *_chat_log(config)):
        if data_usable or not path.is_relative_to(config.data_dir.absolute()):
            yield from problems


def _server_log(config: Config) -> Iterator[tuple[Path, list[Problem]]]:
    """Yield the file of the server log, if it has one, with its problems."""
    if name := config.host.logging.server_file:
        setting, file = "logging.server_file", under_data(name, config.data_dir)
        if file.parent.is_dir() or not Path(name).expanduser().is_absolute():
            yield file, file_problems(setting, file)
        else:
            yield file, [Problem(setting, f"there is no folder {file.parent}; make it, or name another file.")]


def _chat_log(config: Config) -> Iterator[tuple[Path, list[Problem]]]:
    """Yield the folder of the chat log, if it is on, with its problems."""
    for section in config.providers:
        if section.name == FILE_LOG and section.plugin == FILE_LOG:
            given = {name: str(section.settings.get(name) or getattr(_LOG, name)) for name in ("directory", "filename")}
            folder = msgspec.structs.replace(_LOG, **given).folder(config.data_dir)
            yield folder, folder_problems(f"{section.path}.directory", folder)


def _token_problems(config: Config) -> Sequence[Problem]:
    try:
        read_token(config)
    except ConfigError as error:
        return error.problems
    return ()


def _proxy_problems(proxies: tuple[str, ...]) -> list[Problem]:
    problems = []
    for number, proxy in enumerate(proxies):
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            sentence = f"{proxy!r} is neither an IP address nor a network such as 10.0.0.0/8."
            problems.append(Problem(f"general.trusted_proxies[{number}]", sentence))
    return problems


def _image_host_problems(hosts: tuple[str, ...]) -> list[Problem]:
    """Return hosts that no address of an image would match."""
    sentence = "is no host such as img.example.org: a name or an address alone, without scheme, port or path; or '*'."
    return [
        Problem(f"general.image_hosts[{number}]", f"{host!r} {sentence}")
        for number, host in enumerate(hosts)
        if host != "*" and (not host or re.search(r"[/\s@?#*]", host) or host.count(":") == 1)
    ]


def _cors_problems(settings: Cors) -> Iterator[Problem]:
    """Return origins that no browser would match, or that mean something else than intended."""
    for number, origin in enumerate(settings.allow_origins):
        if sentence := _origin_sentence(origin):
            yield Problem(f"cors.allow_origins[{number}]", sentence)
    for number, method in enumerate(settings.allow_methods):
        if method != "*" and not re.fullmatch(r"[A-Z]+", method):
            yield Problem(f"cors.allow_methods[{number}]", f"{method!r} is no method such as GET, in capitals.")
    for number, name in enumerate(settings.allow_headers):
        if not _TOKEN.fullmatch(name):
            yield Problem(f"cors.allow_headers[{number}]", f"{name!r} is no name of a header such as Content-Type.")


def _origin_sentence(origin: str) -> str:
    if origin == "*":
        return ""
    if origin == "null":
        return "'null' is the origin of any local file and sandboxed page; name the origin, or '*' if you mean all."
    if _DEFAULT_PORT.fullmatch(origin):
        return f"{origin!r} never matches: browsers leave out the port that is the scheme's own."
    if _ANY_ORIGIN.fullmatch(origin):
        return ""
    return f"{origin!r} is no origin such as https://chat.example.org: scheme, host and port, without a path or '*'."


def _embedding_problems(origins: tuple[str, ...]) -> list[Problem]:
    """Return origins that a Content-Security-Policy cannot hold, or that would change its other parts."""
    return [
        Problem(f"pages.embed_origins[{number}]", f"{origin!r} is no origin such as https://www.example.org.")
        for number, origin in enumerate(origins)
        if not _WEB_ORIGIN.fullmatch(origin)
    ]
