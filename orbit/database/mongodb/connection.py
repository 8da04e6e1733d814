"""The connection to MongoDB, and the problems of its settings, found offline.

No message shows a connection string or a part of it: an unencoded password may be anywhere in it.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from pymongo import AsyncMongoClient
from pymongo.common import URI_OPTIONS_VALIDATOR_MAP, validate
from pymongo.errors import PyMongoError
from pymongo.uri_parser_shared import split_hosts

from orbit.config.convert import suggest
from orbit.config.model import Mongodb
from orbit.errors import ConfigError, Problem

DEFAULT_DATABASE = "orbit"
SELECTION_SECONDS = 2.0
"""How long an operation looks for a server before the database counts as away."""
SOCKET_SECONDS = 5.0

_SCHEMES = ("mongodb://", "mongodb+srv://")
_SRV = "mongodb+srv://"
_FILES = frozenset({"tlscafile", "tlscertificatekeyfile", "tlscrlfile"})


class Address(msgspec.Struct, frozen=True):
    """A connection string in its parts, each as it is written; ``login`` is None without an ``@``."""

    login: str | None
    hosts: str
    database: str
    options: str


def split_uri(uri: str) -> Address:
    """Split a connection string, also one whose login holds characters that should have been encoded."""
    rest = uri.partition("://")[2]
    before, _, after = rest.partition("?")
    # The last @ ends the login. One behind the first ? does so if there is none before, nor an option in between.
    end = before.rfind("@") if "@" in before else rest.rfind("@") if re.match(r"[^=@]*@", after) else -1
    login = rest[:end] if end >= 0 else None
    where, _, options = rest[end + 1 :].partition("?")
    hosts, _, database = where.partition("/")
    return Address(login, hosts, unquote(database), options)


def database_name(settings: Mongodb) -> str:
    """Return the database to use: ``database``, else the one that ``uri`` names, else ``orbit``."""
    return settings.database or (split_uri(settings.uri).database if settings.uri else "") or DEFAULT_DATABASE


def shown_address(settings: Mongodb) -> str:
    """Return where the server is, without the login and options of a connection string."""
    return split_uri(settings.uri).hosts if settings.uri else f"{settings.host}:{settings.port}"


def make_client(settings: Mongodb) -> AsyncMongoClient[dict[str, Any]]:
    """Return a client that has not connected yet. Raises ConfigError with everything wrong with the settings."""
    if problems := list(_written_problems(settings)):
        raise ConfigError(problems)
    login: dict[str, Any] = {}
    if settings.username:
        login = {"username": settings.username, "password": settings.password or None}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return AsyncMongoClient(
                settings.uri or settings.host,
                None if settings.uri else settings.port,
                tz_aware=True,
                appname="orbit",
                connect=False,
                serverSelectionTimeoutMS=round(SELECTION_SECONDS * 1000),
                connectTimeoutMS=round(SELECTION_SECONDS * 1000),
                socketTimeoutMS=round(SOCKET_SECONDS * 1000),
                heartbeatFrequencyMS=2000,
                **login,
            )
    except (PyMongoError, OSError, ValueError, TypeError, Warning) as error:
        raise ConfigError(
            [Problem("mongodb", f"the connection settings cannot be used: {_reason(error, settings)}.")]
        ) from None


def _reason(error: Exception, settings: Mongodb) -> str:
    """Return what the driver says, unless it quotes what nobody shall see."""
    told = getattr(error, "strerror", None) or str(error).rstrip(".")
    login = split_uri(settings.uri).login or ""
    secrets = {settings.uri, settings.password, login, unquote(login), *login.split(":"), *unquote(login).split(":")}
    quoted = any(secret and re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", told) for secret in secrets)
    return "the driver refuses them, and its reason quotes the login" if quoted else told


def connection_problems(settings: Mongodb) -> list[Problem]:
    """Return what is wrong with the settings. Files are read; nothing is resolved or connected."""
    try:
        make_client(settings)
    except ConfigError as error:
        return list(error.problems)
    return []


def _written_problems(settings: Mongodb) -> Iterator[Problem]:
    """Yield what can be said of the settings as they are written, the clearest first."""
    if settings.uri:
        broken = [Problem("mongodb.uri", sentence) for sentence in _uri_sentences(settings.uri)]
        yield from broken
        if broken:
            return
        address = split_uri(settings.uri)
        if settings.username and address.login is not None:
            yield Problem("mongodb.username", "mongodb.uri has a user already; keep one of the two.")
        if settings.host != Mongodb().host:
            yield Problem("mongodb.host", "is without effect: mongodb.uri names the server; keep one of the two.")
        if settings.database and address.database and settings.database != address.database:
            sentence = (
                f"'{settings.database}' is not the database that mongodb.uri names, '{address.database}'; keep one of "
                "the two. If that is where the user is kept, write ?authSource=... instead."
            )
            yield Problem("mongodb.database", sentence)
    elif re.fullmatch(r"[^:]+:\d*", settings.host):
        yield Problem("mongodb.host", "must be a name or an address alone; the port is mongodb.port.")
    elif re.search(r"[/@?\s]", settings.host) or not settings.host:
        yield Problem("mongodb.host", "must be a name or an address; a connection string belongs into mongodb.uri.")
    if settings.password and not settings.username:
        yield Problem("mongodb.password", "is without effect: mongodb.username names no user.")
    yield from _name_problems(settings)


def _name_problems(settings: Mongodb) -> Iterator[Problem]:
    database = database_name(settings)
    if re.search(r'[/\\. "$*<>:|?\0]', database) or len(database.encode()) > 63:  # noqa: PLR2004  # MongoDB's limit
        path = "mongodb.database" if settings.database else "mongodb.uri"
        sentence = f"'{database}' cannot name a database; use at most 63 letters, digits, '_' or '-'."
        yield Problem(path, sentence)
    for field in ("apikey_collection", "prompts_collection"):
        name: str = getattr(settings, field)
        if re.search(r"[$\0]|\.\.|^\.|\.$|^system\.", name):
            yield Problem(f"mongodb.{field}", f"'{name}' cannot name a collection; use letters, digits, '_' or '-'.")
    if settings.apikey_collection == settings.prompts_collection:
        yield Problem("mongodb.prompts_collection", "is mongodb.apikey_collection already; each needs its own.")


def _uri_sentences(uri: str) -> Iterator[str]:
    if uri != uri.strip():
        yield "begins or ends with a space."
        return
    if not uri.startswith(_SCHEMES):
        yield "must begin with mongodb:// or mongodb+srv://."
        return
    address = split_uri(uri)
    if (sentence := _login_sentence(address.login or "")) or (sentence := _host_sentence(uri, address.hosts)):
        yield sentence
        return
    yield from _option_sentences(address.options)


def _login_sentence(login: str) -> str:
    user, _, password = login.partition(":")
    found = dict.fromkeys(re.findall(r"[@/?#\[\]\s]", login) + re.findall(":", password))
    found |= dict.fromkeys(re.findall(r"%(?![0-9A-Fa-f]{2})", login))
    if found:
        encoded = ", ".join(f"{'a space' if mark.isspace() else mark} as {quote(mark, safe='')}" for mark in found)
        return (
            f"characters of the user name or password have to be percent-encoded: write {encoded}. "
            "Or give mongodb.username and mongodb.password, which are taken as they are, and leave both out here."
        )
    return "has an @ but no user name before it." if login and not user else ""


def _host_sentence(uri: str, hosts: str) -> str:
    try:
        nodes = split_hosts(hosts)
    except (PyMongoError, ValueError):
        return "its hosts cannot be read: each is NAME or NAME:PORT, several have commas between them."
    if any(re.search(r"[\s%]", unquote(name)) and not name.endswith(".sock") for name, _ in nodes):
        return "its hosts cannot be read: each is NAME or NAME:PORT, several have commas between them."
    if uri.startswith(_SRV):
        if len(nodes) != 1 or ":" in hosts:
            return "mongodb+srv:// takes one domain name, without a port; for a list of hosts write mongodb://."
        if importlib.util.find_spec("dns") is None:
            return "mongodb+srv:// needs dnspython. Install it: pip install dnspython; or list the hosts of mongodb://."
    return ""


def _option_sentences(options: str) -> Iterator[str]:
    for option in filter(None, re.split(r"[&;]", options)):
        name, equals, value = option.partition("=")
        lower = name.lower()
        if not re.fullmatch(r"\w+", name):
            yield "its options cannot be read: write ?name=value&name=value."
        elif lower not in URI_OPTIONS_VALIDATOR_MAP:
            yield f"there is no option '{name}'.{suggest(lower, URI_OPTIONS_VALIDATOR_MAP)}"
        elif not equals or not value:
            yield f"the option '{name}' has no value."
        elif lower in _FILES:
            if sentence := _file_sentence(name, Path(unquote(value))):
                yield sentence
        elif not _takes(name, unquote(value)):
            yield f"the value of the option '{name}' is not one that it takes."


def _takes(option: str, value: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as for a compressor that is not installed
        try:
            validate(option, value)
        except (PyMongoError, ValueError, TypeError, Warning):
            return False
    return True


def _file_sentence(option: str, file: Path) -> str:
    try:
        with file.open("rb") as stream:
            stream.read(1)
    except OSError as error:
        return f"the option '{option}' names {file}, which cannot be read: {error.strerror or error}."
    return ""
