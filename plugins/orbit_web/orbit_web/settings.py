"""The keys of the configuration section."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from orbit.upstreams import header_problems, tls_problems


class WebSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where to begin, what belongs to the site, and how far to go."""

    start: Annotated[
        tuple[str, ...], Meta(description="Addresses where to begin, such as `https://www.example.org/`.")
    ] = ()
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="Further hosts of the site, such as `docs.example.org`; those of `start` are always in it."),
    ] = ()
    links: Annotated[bool, Meta(description="Follow the links of pages.")] = True
    sitemaps: Annotated[
        bool, Meta(description="Read the sitemaps that robots.txt names, and /sitemap.xml if it names none.")
    ] = True
    include: Annotated[
        tuple[str, ...],
        Meta(description="Patterns of paths to fetch, such as `/docs/*`; empty for all. `start` is always read."),
    ] = ()
    exclude: Annotated[tuple[str, ...], Meta(description="Patterns of paths to leave out, such as `/login*`.")] = ()
    max_pages: Annotated[
        int, Meta(ge=1, description="Most pages and documents; if there are more, the run removes nothing.")
    ] = 5_000
    max_depth: Annotated[int, Meta(ge=0, description="Most links between a page of `start` and another page.")] = 20
    max_total_bytes: Annotated[
        int, Meta(ge=1, description="Most bytes of one run; if there are more, it ends without removing anything.")
    ] = 2_000_000_000
    delay: Annotated[
        float, Meta(ge=0, description="Seconds between two requests. robots.txt may ask for more, up to 10.")
    ] = 0.2
    timeout: Annotated[float, Meta(gt=0, description="Timeout of one request, in seconds.")] = 30.0
    robots: Annotated[
        bool, Meta(description="Obey robots.txt, and what pages say to robots. Switch it off for your own sites only.")
    ] = True
    user_agent: Annotated[
        str, Meta(min_length=1, description="Name to give to servers; robots.txt may have rules for it.")
    ] = "ORBIT"
    private: Annotated[bool, Meta(description="Fetch from private addresses too, such as those of an intranet.")] = (
        False
    )
    headers: Annotated[
        dict[str, str],
        Meta(description="Request headers for the site, such as `Authorization`; preferably ${NAME} from .env."),
    ] = {}
    ca_certs: Annotated[
        str, Meta(description="PEM file of the certificate authorities to trust for https, instead of the system's.")
    ] = ""
    verify_certs: Annotated[bool, Meta(description="Verify certificates.")] = True

    def problems(self) -> Iterable[str]:
        """Yield what is wrong with the settings."""
        if not self.start:
            yield "start is missing: a list of addresses, such as [https://www.example.org/]"
        for url in self.start:
            yield from _problems_of(url)
        for host in self.hosts:
            if "/" in host or not host:
                yield f"hosts contains {host!r}; write a host alone, such as docs.example.org"
        for pattern in (*self.include, *self.exclude):
            if not pattern.startswith(("/", "*")):
                yield f"the pattern {pattern!r} must begin with a slash, such as /docs/*"
        yield from header_problems(self.headers)
        yield from tls_problems(self.ca_certs, verify_certs=self.verify_certs)


def _problems_of(url: str) -> Iterable[str]:
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_right = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right:
        yield f"start contains {url.partition('?')[0]!r}; an address begins with https:// or http:// and a host"
    elif parts.username is not None or parts.password is not None:
        yield "start contains a user or password; set them in headers, as Authorization"
