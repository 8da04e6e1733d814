"""The settings that every plugin has which asks servers over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from orbit.upstreams.addresses import Address, address_problem, credential_problem, user_alone
from orbit.upstreams.connections import tls_problems
from orbit.upstreams.headers import header_problems

Seconds = Annotated[float, Meta(gt=0)]
"""The type of settings that limit a time."""


def without_effect(settings: msgspec.Struct, names: Iterable[str], because: str) -> Iterator[str]:
    """Yield a sentence for ``remarks`` if some of these settings have another value than by default. It says why."""
    wanted = frozenset(names)
    given = [
        field.name
        for field in msgspec.structs.fields(settings)
        if field.name in wanted and getattr(settings, field.name) != _default(field)
    ]
    if given:
        yield f"{', '.join(given)}: without effect, since {because}"


def _default(field: msgspec.structs.FieldInfo) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


class ServerSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Servers, and how to ask them. Derive a plugin's ``Settings`` from it, and give ``base_url`` a default."""

    ROUTES: ClassVar[str] = ""
    """A regular expression for routes that people copy from documentation together with the base URL."""

    base_url: str | tuple[str, ...] = ""
    headers: Annotated[
        dict[str, str], Meta(description="Additional request headers, such as Authorization for a protected server.")
    ] = {}
    proxy: Annotated[
        str, Meta(description="URL of an HTTP proxy to the server; empty for none. HTTP_PROXY is ignored.")
    ] = ""
    ca_certs: Annotated[
        str, Meta(description="PEM file of the certificate authorities to trust for https, instead of the system's.")
    ] = ""
    verify_certs: Annotated[bool, Meta(description="Verify the server's certificate.")] = True
    connect_timeout: Annotated[Seconds, Meta(description="Timeout for connecting, in seconds.")] = 5.0
    start_timeout: Annotated[
        float, Meta(ge=0, description="Seconds to wait at the start for a server that does not respond yet.")
    ] = 5.0
    max_retries: Annotated[int, Meta(ge=0, le=10, description="Retries when a call fails before its first byte.")] = 2
    retry_delay: Annotated[
        float,
        Meta(ge=0, description="Longest pause before the first retry, in seconds; it doubles with each further one."),
    ] = 0.2
    require_server: Annotated[
        bool, Meta(description="Do not start without a server that has the models; false only logs a warning.")
    ] = True

    @property
    def given(self) -> tuple[str, ...]:
        """The servers in base_url, as written."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All servers, without duplicates and without a route at the end, which each request appends."""
        return tuple(dict.fromkeys(Address.parse(url, strip=self.ROUTES) for url in self.given))

    def problems(self, form: str = "http://HOST:PORT", *, bearer: str = "", **credentials: str) -> Iterator[str]:
        """Yield settings that cannot work, for ``validate``. ``form`` is how a base_url looks.

        ``credentials`` are further settings that headers carry, such as ``api_key``; ``bearer`` is the name of the one
        that uses the header Authorization.
        """
        if not self.given:
            yield "base_url contains no server."
        for url in self.given:
            if problem := address_problem(url, form):
                yield f"base_url {problem}"
        if self.proxy and (problem := address_problem(self.proxy)):
            yield f"proxy {problem}"
        others = {name: value for name, value in credentials.items() if name == bearer}
        authorized = any(name.lower() == "authorization" for name in self.headers)
        if problem := credential_problem(self.addresses, {**others, "headers.Authorization": authorized}):
            yield problem
        yield from tls_problems(self.ca_certs, verify_certs=self.verify_certs)
        yield from header_problems(self.headers, **credentials)

    def surplus_routes(self) -> Iterator[str]:
        """Yield addresses that end with a route of the API."""
        for url in self.given:
            written, used = Address.parse(url).url, Address.parse(url, strip=self.ROUTES).url
            if written != used:
                yield f"base_url contains a route of the API ({written}); ORBIT appends it itself, so it uses {used}"

    def remarks(self, **credentials: str) -> Iterator[str]:
        """Yield settings that do nothing, for ``remarks``. ``credentials`` maps headers to the settings they carry."""
        yield from self.surplus_routes()
        yield from user_alone(self.given)
        if not any(address.url.startswith("https:") for address in self.addresses):
            yield from without_effect(self, ("ca_certs", "verify_certs"), "no base_url begins with https")
        if not self.max_retries:
            yield from without_effect(self, ("retry_delay",), "max_retries is 0")
        for header, setting in credentials.items():
            name = header.replace("_", "-")
            if getattr(self, setting) and any(given.lower() == name for given in self.headers):
                yield f"{setting}: without effect, since headers has {name} as well"
