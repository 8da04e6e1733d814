"""Mistakes in the settings of the server itself, found without opening anything to the network."""

from __future__ import annotations

import ipaddress

from orbit.config import Config
from orbit.errors import Problem
from orbit.web.tls import tls_problems


def serving_problems(config: Config) -> list[Problem]:
    """What would keep the server from serving as configured: certificates, proxies."""
    general = config.host.general
    return [*tls_problems(general), *_proxy_problems(general.trusted_proxies)]


def _proxy_problems(proxies: tuple[str, ...]) -> list[Problem]:
    problems = []
    for number, proxy in enumerate(proxies):
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            sentence = f"{proxy!r} is neither an IP address nor a network such as 10.0.0.0/8."
            problems.append(Problem(f"general.trusted_proxies[{number}]", sentence))
    return problems
