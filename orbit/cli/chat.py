"""``orbit chat``: questions in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click

from orbit.cli.shared.options import config_option
from orbit.sanitize import LINES, printable

if TYPE_CHECKING:
    import ssl

    import httpx

    from orbit.config import Config


@click.command()
@click.argument("question", nargs=-1)
@click.option("--url", metavar="URL", help="Server to ask. Default: the address of the configuration.")
@click.option("--key", envvar="ORBIT_API_KEY", help="API key. Default: $ORBIT_API_KEY.")
@click.option(
    "--temporary-key", is_flag=True, help="Make a key in the configuration's database, and delete it afterwards."
)
@click.option("--session", metavar="ID", help="Conversation to continue; 'new' begins one and shows its id.")
@click.option("--sources/--no-sources", default=True, help="Show the sources after the answer.")
@config_option
def chat(
    question: tuple[str, ...],
    url: str | None,
    key: str | None,
    session: str | None,
    *,
    temporary_key: bool,
    sources: bool,
    config_path: str | None,
) -> None:
    """Ask a running server and stream the answer.

    Without QUESTION it prompts for one question after another, in one conversation, until Ctrl-D.
    """
    import httpx

    from orbit.cli.shared.address import distrusted, trust_of, url_of
    from orbit.config import load_config

    trusted: ssl.SSLContext | bool = True
    if url is None:
        config = load_config(config_path)
        url, trusted = url_of(config), trust_of(config)
    if temporary_key:
        key = click.get_current_context().with_resource(_temporary_key(load_config(config_path)))
    if not key:
        raise click.ClickException(
            "an API key is needed: --key KEY or ORBIT_API_KEY. Make one: orbit keys create. "
            "Or, where the server's database is reachable, use --temporary-key."
        )
    patience = httpx.Timeout(300, connect=5)
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=patience, verify=trusted) as client:
        try:
            if question:
                begun = _ask(client, " ".join(question), session, sources=sources)
                if session == "new":
                    click.secho(f"  session {begun}" if begun else "  the server keeps no conversations", dim=True)
                return
            session = session or "new"
            for line in _questions():
                session = _ask(client, line, session, sources=sources)
        except httpx.ConnectError as error:
            if reason := distrusted(error):
                raise click.ClickException(f"{url} answers, but {reason}") from error
            raise click.ClickException(f"no server answers at {url}. Start one: orbit serve.") from error
        except httpx.HTTPError as error:
            raise click.ClickException(f"the answer from {url} broke off: {error}") from error


@contextmanager
def _temporary_key(config: Config) -> Iterator[str]:
    """Make a key in a configuration's database for the time of the context, and for a day at most."""
    import asyncio
    import time

    from orbit.auth.keys import new_key
    from orbit.database import open_database

    secret, record = new_key("orbit chat", notes="temporary", expires_at=time.time() + 86_400)

    async def keep() -> None:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with open_database(config) as database:
            await database.create_key(record)

    async def delete() -> None:
        async with open_database(config) as database:
            await database.delete_key(record.id)

    asyncio.run(keep())
    try:
        yield secret
    finally:
        asyncio.run(delete())


def _questions() -> Iterator[str]:
    while True:
        try:
            line = click.prompt("you", prompt_suffix="> ", default="", show_default=False)
        except click.Abort:
            click.echo()
            return
        if line.strip():
            yield line


def _ask(client: httpx.Client, question: str, session: str | None, *, sources: bool) -> str | None:
    """Print the answer and return its ``session_id``, None if the server keeps no conversations."""
    import msgspec

    from orbit.auth.keys import NOT_VALID

    body = {"message": question, "stream": True, "session_id": session}
    with client.stream("POST", "/chat", json=body) as response:
        if response.is_error:
            response.read()
            raise click.ClickException(
                NOT_VALID if response.status_code == HTTPStatus.UNAUTHORIZED else _detail(response)
            )
        end: dict[str, Any] = {}
        for line in _lines(response):
            if not line.startswith(b"data: "):
                continue
            frame = msgspec.json.decode(line[6:])
            if "error" in frame:
                click.echo()
                raise click.ClickException(printable(frame["error"]["message"]))
            if frame["done"]:
                end = frame
                break
            click.echo(printable(frame["text"], keep=LINES), nl=False)
            sys.stdout.flush()
    click.echo()
    if not end:
        raise click.ClickException("the answer broke off: the server closed the connection.")
    for source in end["sources"] if sources else ():
        score = "" if source["score"] is None else f" ({source['score']:.2f})"
        place = "".join(f", {key} {value}" for key, value in source.get("location", {}).items())
        title = printable((source["title"] or source["source"]) + place)
        click.secho(f"  [{source['number']}] {title}{score}", dim=True)
    kept: str | None = end.get("session_id")
    return kept


def _lines(response: httpx.Response) -> Iterator[bytes]:
    """Yield the lines of a stream; httpx's own iterator also splits at characters other than line feeds."""
    rest = b""
    for piece in response.iter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def _detail(response: httpx.Response) -> str:
    try:
        return printable(str(response.json()["detail"]))
    except (ValueError, KeyError):
        return f"the server answered {response.status_code}."
