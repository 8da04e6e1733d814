"""Mistakes in the settings of the server itself, found without opening anything to the network."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path

from orbit.config import Config
from orbit.errors import Problem
from orbit.web.tls import tls_problems

_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


def serving_problems(config: Config) -> list[Problem]:
    """What would keep the server from serving as configured: folders, certificates, proxies, embedding pages."""
    general = config.host.general
    return [
        *_folder_problems(config.data_dir),
        *tls_problems(general),
        *_proxy_problems(general.trusted_proxies),
        *_origin_problems(config.host.pages.embed_origins),
    ]


def _folder_problems(folder: Path) -> list[Problem]:
    """What would keep the data folder from being made, or files in it."""
    there = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return []
    reason = f"{there} is no folder" if not there.is_dir() else f"nothing may be written into {there}"
    return [Problem("general.data_dir", f"the folder {folder} cannot be used: {reason}.")]


def _proxy_problems(proxies: tuple[str, ...]) -> list[Problem]:
    problems = []
    for number, proxy in enumerate(proxies):
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            sentence = f"{proxy!r} is neither an IP address nor a network such as 10.0.0.0/8."
            problems.append(Problem(f"general.trusted_proxies[{number}]", sentence))
    return problems


def _origin_problems(origins: tuple[str, ...]) -> list[Problem]:
    """What could not stand in a Content-Security-Policy as it is meant, or would change what else stands there."""
    return [
        Problem(f"pages.embed_origins[{number}]", f"{origin!r} is no origin such as https://www.example.org.")
        for number, origin in enumerate(origins)
        if not _ORIGIN.fullmatch(origin)
    ]
