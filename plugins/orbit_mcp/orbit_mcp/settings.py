"""The keys of the configuration section."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from orbit.upstreams import Address, address_problem, credential_problem, header_problems, tls_problems, without_effect

Seconds = Annotated[float, Meta(gt=0)]
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,24}")


class ServerSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An MCP server: a command that speaks over its standard streams, or an address."""

    command: Annotated[str, Meta(description="Program to start; it speaks over standard input and output.")] = ""
    args: Annotated[tuple[str, ...], Meta(description="Arguments of the program.")] = ()
    env: Annotated[
        dict[str, str],
        Meta(description="Variables for the program; of ORBIT's own it gets PATH, HOME and the like only."),
    ] = {}
    cwd: Annotated[str, Meta(description="Folder that the program runs in; empty: ORBIT's own.")] = ""
    url: Annotated[str, Meta(description="Address of a server that speaks streamable HTTP.")] = ""
    headers: Annotated[dict[str, str], Meta(description="Headers for the address, such as Authorization.")] = {}
    ca_certs: Annotated[
        str, Meta(description="PEM file of the certificate authorities to trust for https, instead of the system's.")
    ] = ""
    verify_certs: Annotated[bool, Meta(description="Verify the certificate of the address.")] = True
    tools: Annotated[
        tuple[str, ...], Meta(description="Tools to offer, by the server's names; wildcards allowed. Empty: all.")
    ] = ()
    destructive: Annotated[
        tuple[str, ...],
        Meta(description="Tools that may be called although the server marks them as destructive; `*` for all."),
    ] = ()
    sampling: Annotated[bool, Meta(description="Whether the server may ask the model of ORBIT; false refuses it.")] = (
        False
    )
    elicitation: Annotated[
        dict[str, Any],
        Meta(description="Answers to questions that the server asks its user, by field; others are declined."),
    ] = {}
    start_timeout: Annotated[Seconds, Meta(description="Seconds to start and to list the tools.")] = 30.0
    timeout: Annotated[Seconds, Meta(description="Seconds for a call.", extra={"within": "timeouts.call_tool"})] = 60.0
    max_bytes: Annotated[
        int, Meta(ge=1024, description="Largest message of the server, in bytes; a larger one ends the connection.")
    ] = 4_000_000


class McpSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Each field is a setting. The README shows its description in a table."""

    servers: Annotated[
        dict[str, ServerSettings], Meta(description="MCP servers by name. The names of their tools begin with it.")
    ] = {}
    serve: Annotated[
        bool, Meta(description="Serve ORBIT itself at /mcp, with the tools `search` and `ask`, to holders of a key.")
    ] = False
    hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Names under which clients reach /mcp, such as chat.example.org, beside those of this machine; "
            "requests with another name are refused."
        ),
    ] = ()
    wait: Annotated[
        float, Meta(ge=0, description="Seconds that the start waits for the servers; slower ones join later.")
    ] = 10.0


def problems(settings: McpSettings) -> Iterator[str]:
    """Yield the mistakes that the types do not show."""
    for host in settings.hosts:
        if re.search(r"[/\s@?#]", host):
            yield f"hosts: {host!r} is no name such as chat.example.org: a name or an address, without scheme or path."
    for name, server in settings.servers.items():
        where = f"servers.{name}"
        if not _NAME.fullmatch(name):
            yield f"{where}: a name has 1 to 24 letters, digits and '-'."
        if bool(server.command) == bool(server.url):
            yield f"{where}: give either a command or a url."
        if server.url:
            for sentence in _problems_of_address(server):
                yield f"{where}.{sentence}"
        for setting in ("args", "env", "cwd") if server.url else ("headers", "ca_certs"):
            if getattr(server, setting):
                yield f"{where}.{setting}: has no meaning for a server with a {'url' if server.url else 'command'}."


def remarks(settings: McpSettings) -> Iterator[str]:
    """Yield settings that do nothing, and why this machine cannot start a server.

    ORBIT starts without the tools of that server, and tries again.
    """
    for name, server in settings.servers.items():
        if sentence := missing(server):
            yield f"servers.{name}: {sentence}"
        if not server.url.startswith("https:"):
            for sentence in without_effect(server, ("ca_certs", "verify_certs"), "its url does not begin with https"):
                yield f"servers.{name}.{sentence}"


def missing(server: ServerSettings) -> str:
    """Return which folder or program a server lacks on this machine; empty if none."""
    if server.cwd and not Path(server.cwd).is_dir():
        return f"there is no folder {server.cwd!r} (cwd)"
    program = Path(server.cwd, server.command) if os.sep in server.command else server.command
    if server.command and shutil.which(program, os.F_OK, server.env.get("PATH")) is None:
        program, *rest = server.command.split() or [server.command]
        if rest and not server.args and shutil.which(program, os.F_OK, server.env.get("PATH")):
            return f"there is no program {server.command!r}: command is {program!r} alone, the rest belongs into args"
        return f"there is no program {server.command!r}: install it, or give its whole path as command"
    return ""


def _problems_of_address(server: ServerSettings) -> Iterator[str]:
    if problem := address_problem(server.url, "https://HOST/mcp"):
        yield f"url: {problem}"
    else:
        authorized = any(header.lower() == "authorization" for header in server.headers)
        if problem := credential_problem([Address.parse(server.url)], {"headers.Authorization": authorized}, "url"):
            yield problem
    yield from header_problems(server.headers)
    yield from tls_problems(server.ca_certs, verify_certs=server.verify_certs)
