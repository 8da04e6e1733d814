"""Mistakes in the settings of the server itself, found without opening anything to the network."""

from __future__ import annotations

import ipaddress
import re

from orbit.config import Config
from orbit.errors import Problem
from orbit.web.tls import tls_problems

_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


def serving_problems(config: Config) -> list[Problem]:
    """What would keep the server from serving as configured: certificates, proxies, embedding pages."""
    general = config.host.general
    return [
        *tls_problems(general),
        *_proxy_problems(general.trusted_proxies),
        *_origin_problems(config.host.pages.embed_origins),
    ]


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
