"""Addresses of HTTP servers, with user, password and query kept apart from what may be shown."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Address
from typing import Final, Self
from urllib.parse import unquote

import msgspec

_URL: Final = re.compile(
    r"(?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://)?(?:(?P<user>[^/?#]*)@)?(?P<host>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?"
)
_PORTS: Final = range(1, 65_536)


class Address(msgspec.Struct, frozen=True):
    """The address of an HTTP server, with its secrets apart.

    ``url`` is safe to show. It contains neither user and password (``authorization`` holds them as a header value) nor
    ``query``, which every request carries.
    """

    url: str
    query: str = ""
    authorization: str = ""

    @classmethod
    def parse(cls, text: str, strip: str = "") -> Self:
        """Parse a URL. ``strip`` is a regular expression that removes a superfluous end of its path."""
        parts = _parts(text)
        host = parts["host"] + parts["path"]
        url = (f"{parts['scheme'].lower()}://" if parts["scheme"] else "") + host.rstrip("/")
        if "#" in text or "@" in host + parts["query"]:  # invalid, and unclear where its password ends
            url = shown(text)
        if strip:
            url = re.sub(f"(?:{strip})$", "", url, flags=re.IGNORECASE).rstrip("/")
        user, _, password = parts["user"].partition(":")
        basic = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        return cls(url, parts["query"], f"Basic {basic}" if parts["user"] else "")

    def at(self, path: str) -> str:
        """Return the URL of ``path``, which begins with a slash, with the query of the address."""
        return f"{self.url}{path}?{self.query}" if self.query else self.url + path

    def headers(self) -> dict[str, str]:
        """Return the headers that carry user and password."""
        return {"Authorization": self.authorization} if self.authorization else {}

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


def shown(text: str) -> str:
    """Return a URL, even a malformed one, without anything that may be a secret."""
    scheme, there, rest = text.strip().partition("://")
    if not there:
        scheme, rest = "", text.strip()
    return (f"{scheme}://" if there else "") + re.split(r"[?#]", rest.rpartition("@")[2])[0]


def address_problem(text: str, form: str = "http://HOST:PORT") -> str:
    """Return why a text is not the address of an HTTP server, in one sentence without secrets; empty if it is one."""
    reason = _reason(text)
    return f"'{shown(text)}' is not of the form {form}: {reason}." if reason else ""


def _parts(text: str) -> dict[str, str]:
    found = _URL.match(text.strip())
    assert found is not None  # the pattern matches every text
    return {name: value or "" for name, value in found.groupdict().items()}


def _reason(text: str) -> str:  # noqa: C901, PLR0911  # one return for each mistake
    parts = _parts(text)
    host, colon, port = parts["host"].rpartition(":")
    if parts["host"].endswith("]") or not colon:
        host, colon, port = parts["host"], "", ""
    if not text.strip():
        return "it is empty"
    if re.search(r"[\s\x00-\x1f\x7f]", text.strip()):
        return "it contains a space or a control character"
    if not parts["scheme"]:
        if "://" in text:
            return "its scheme is not http or https"
        meant = re.sub(r"^(https?)[:/]+", r"\1://", shown(text), flags=re.IGNORECASE)
        return f"it has no scheme, as in {meant if '://' in meant else f'http://{meant}'}"
    if parts["scheme"].lower() not in ("http", "https"):
        return f"its scheme is {parts['scheme']}, not http or https"
    if "#" in text or "@" in parts["path"] + parts["query"]:
        return "write the characters / ? # @ in a user, a password or a path as %2F %3F %23 %40"
    if "," in parts["host"]:
        return "its host contains a comma; write several servers as a list"
    if "[" in host or ":" in host:
        return _ipv6_reason(host)
    if not host:
        return "it has no host"
    if not re.fullmatch(r"[\w.~-]+", host):
        return "its host contains a character that host names cannot have"
    return "" if not colon or _is_port(port) else "its port is not a number from 1 to 65535"


def _ipv6_reason(host: str) -> str:
    if not (host.startswith("[") and host.endswith("]")):
        return "an IPv6 address needs brackets, as in http://[::1]:8000"
    try:
        IPv6Address(host.strip("[]").partition("%")[0])
    except ValueError:
        return "the text in brackets is not an IPv6 address"
    return ""


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) in _PORTS


def credential_problem(addresses: Iterable[Address], others: Mapping[str, object], setting: str = "base_url") -> str:
    """Return why the user and password of an address cannot be sent; empty if they can.

    ``others`` maps the settings that use the same header to their values; empty values do not count. ``setting`` is the
    name of the setting that holds the addresses.
    """
    given = [name for name, value in others.items() if value]
    if not given or not any(address.authorization for address in addresses):
        return ""
    return f"{setting} contains a user, and {given[0]} is set: both use the header Authorization. Keep one of them."


def user_alone(addresses: Iterable[str], setting: str = "base_url") -> Iterator[str]:
    """Yield a sentence for ``remarks`` about each address with a user but no password."""
    for text in addresses:
        user, _, password = _parts(text)["user"].partition(":")
        if user and not password:
            yield f"{setting}: {shown(text)} has a user without a password; write USER:PASSWORD@ if it needs one"


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public internet."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        parsed = inner or parsed
    return parsed.is_global and not parsed.is_multicast
