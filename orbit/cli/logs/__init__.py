"""``orbit logs``: read, search and resend the chat log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from orbit.cli.shared.options import config_option

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def logs() -> None:
    """Read, search and resend the chat log: the files in logging.file.directory.

    Times are written as 2025-01-31, 2025-01-31T09:30 (UTC) or as an age: 90m, 2h, 3d.
    """


def _filters(function: F) -> F:
    """Add the options that select records."""
    for option in reversed(
        (
            click.option("--since", metavar="TIME", help="Only records made at or after this time."),
            click.option("--until", metavar="TIME", help="Only records made before this time."),
            click.option(
                "--key", default="", metavar="KEY", help="Only of this API key, by its id, hint or client name."
            ),
            click.option("--session", default="", metavar="ID", help="Only of this conversation."),
            click.option(
                "--status",
                default="",
                metavar="WORD",
                help="Only with this status: ok, blocked (by moderation), cancelled (by the client), failed (with any "
                "error), or the code of an error, such as provider_unavailable.",
            ),
            click.option("--blocked/--not-blocked", default=None, help="Only what moderation refused, or the rest."),
            click.option("--json", "as_json", is_flag=True, help="Print the lines unchanged."),
        )
    ):
        function = option(function)
    return config_option(function)


@logs.command()
@click.option("-n", "count", type=click.IntRange(0), default=10, metavar="N", help="How many records. Default: 10.")
@click.option("-f", "--follow", is_flag=True, help="Show new records as they arrive, until Ctrl-C.")
@_filters
def tail(count: int, *, follow: bool, as_json: bool, config_path: str | None, **wanted: Any) -> None:
    """Show the last records."""
    from orbit.cli.logs.files import search_in, wanted_by
    from orbit.cli.logs.printing import show

    search = search_in(config_path, wanted_by(**wanted))
    last = search.last(count)
    for line, found in last:
        show(line, found, as_json=as_json)
    if not follow:
        if count and not last:
            click.echo(f"No record in {search.directory} fits.", err=True)
        return
    try:
        for line, found in search.follow():
            show(line, found, as_json=as_json)
    except KeyboardInterrupt:
        return


@logs.command()
@click.argument("text", default="")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after this many records.")
@_filters
def search(text: str, limit: int | None, *, as_json: bool, config_path: str | None, **wanted: Any) -> None:
    """Show records with TEXT in their query, response or reason, or with TEXT as request id; oldest first.

    Exits with 1 if there is none, as grep does.
    """
    from orbit.cli.logs.files import search_in, wanted_by
    from orbit.cli.logs.printing import show

    looking = search_in(config_path, wanted_by(text=text, **wanted))
    count = 0
    for line, found in looking.all():
        show(line, found, as_json=as_json)
        count += 1
        if count == limit:
            break
    if looking.unreadable:
        click.echo(f"{looking.unreadable} lines are not records; skipped.", err=True)
    if not count:
        click.echo(f"No record in {looking.directory} fits.", err=True)
        sys.exit(1)


@logs.command("dead-letters")
@click.option("-n", "count", type=click.IntRange(0), default=10, metavar="N", help="How many records. Default: 10.")
@click.option("--json", "as_json", is_flag=True, help="Print them unchanged.")
@config_option
def dead_letters(count: int, *, as_json: bool, config_path: str | None) -> None:
    """Show the last records that a sink, such as Elasticsearch, rejected permanently, and why.

    ORBIT keeps them as long as the chat log. 'orbit logs replay --dead-letters' sends them again.
    """
    from orbit.chatlog import DeadLetters
    from orbit.chatlog.followers import follower_folder, names
    from orbit.cli.logs.files import readable
    from orbit.cli.logs.printing import show_letter

    directory, _ = readable(config_path)
    total = 0
    for name in names(directory):
        folder = follower_folder(directory, name)
        kept = DeadLetters(folder)
        for letter in kept.last(count):
            show_letter(letter, as_json=as_json)
        number = kept.count()
        total += number
        if number:
            click.echo(f"{number} dead letters of '{name}' in {folder}.", err=True)
    if not total:
        click.echo("There are no dead letters.", err=True)


@logs.command()
@click.option("--since", metavar="TIME", help="Send missing records from this time on.")
@click.option("--dead-letters", is_flag=True, help="Send rejected records again, once the cause is fixed.")
@click.option("--to", "name", metavar="NAME", help="Sink to send to; required when several follow the log.")
@click.option("--wait/--no-wait", default=True, help="Wait until the running server has sent them. Default: wait.")
@config_option
def replay(since: str | None, name: str | None, *, dead_letters: bool, wait: bool, config_path: str | None) -> None:
    """Send missing records to a sink that follows the log, such as Elasticsearch.

    Choose records by time, or the dead letters. The running server sends them, or else the next one to start. No
    record is stored twice.
    """
    from orbit.cli.logs.files import place, time_of
    from orbit.cli.logs.replay import request

    if dead_letters == (since is not None):
        raise click.UsageError("give either --since TIME or --dead-letters.")
    directory, _ = place(config_path)
    request(directory, name, None if since is None else time_of(since, "--since"), wait=wait)
