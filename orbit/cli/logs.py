"""``orbit logs``: read, search and resend the chat log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orbit.cli.options import config_option

if TYPE_CHECKING:
    from pathlib import Path

    from orbit.builtin.files import DeadLetter, FileLogSettings, FollowerState
    from orbit.builtin.files.searching import Filter, Found, Search

F = TypeVar("F", bound=Callable[..., Any])

WIDTH = 60
"""Characters of a text that are shown of it."""


@click.group()
def logs() -> None:
    """Read, search and resend the chat log: the files in logging.file.directory.

    Times are written as 2025-01-31, 2025-01-31T09:30 (UTC) or as an age: 90m, 2h, 3d.
    """


def _filters(function: F) -> F:
    """Options that say which records are wanted."""
    for option in reversed(
        (
            click.option("--since", metavar="TIME", help="Only records made at or after this time."),
            click.option("--until", metavar="TIME", help="Only records made before this time."),
            click.option("--key", default="", metavar="KEY", help="Only of this API key: its id, hint or client name."),
            click.option("--session", default="", metavar="ID", help="Only of this session."),
            click.option(
                "--status", default="", metavar="WORD", help="Only with this status: ok, blocked, cancelled, ..."
            ),
            click.option("--blocked/--not-blocked", default=None, help="Only what moderation refused, or the rest."),
            click.option("--json", "as_json", is_flag=True, help="Print the lines as they are in the files."),
        )
    ):
        function = option(function)
    return config_option(function)


@logs.command()
@click.option("-n", "count", type=click.IntRange(0), default=10, metavar="N", help="How many records. Default: 10.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new records as they come, until Ctrl-C.")
@_filters
def tail(count: int, *, follow: bool, as_json: bool, config_path: str | None, **wanted: Any) -> None:
    """Show the last records."""
    search = _search(config_path, _wanted(**wanted))
    for line, found in search.last(count):
        _show(line, found, as_json=as_json)
    if not follow:
        return
    try:
        for line, found in search.follow():
            _show(line, found, as_json=as_json)
    except KeyboardInterrupt:
        return


@logs.command()
@click.argument("text", default="")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after this many records.")
@_filters
def search(text: str, limit: int | None, *, as_json: bool, config_path: str | None, **wanted: Any) -> None:
    """Show records with TEXT in their query, response or reason, or with this request id; oldest first.

    The exit status is 1 if there is none, as with grep.
    """
    looking = _search(config_path, _wanted(text=text, **wanted))
    count = 0
    for line, found in looking.all():
        _show(line, found, as_json=as_json)
        count += 1
        if count == limit:
            break
    if looking.unreadable:
        click.echo(f"{looking.unreadable} lines are no records and were passed over.", err=True)
    if not count:
        sys.exit(1)


@logs.command("dead-letters")
@click.option("-n", "count", type=click.IntRange(0), default=10, metavar="N", help="How many records. Default: 10.")
@click.option("--json", "as_json", is_flag=True, help="Print them as they are in the files.")
@config_option
def dead_letters(count: int, *, as_json: bool, config_path: str | None) -> None:
    """Show the last records that a sink, such as Elasticsearch, refused for good, and why.

    They are kept as long as the chat log is. 'orbit logs replay --dead-letters' sends them again.
    """
    import msgspec

    from orbit.builtin.files import DeadLetters, follower_folder
    from orbit.builtin.files.followers import names

    directory, _ = _readable(config_path)
    total = 0
    for name in names(directory):
        folder = follower_folder(directory, name)
        kept = DeadLetters(folder)
        for letter in kept.last(count):
            click.echo(msgspec.json.encode(letter)) if as_json else _show_letter(letter)
        number = kept.count()
        total += number
        if number:
            click.echo(f"{number} dead letters of '{name}' are kept in {folder}.", err=True)
    if not total:
        click.echo("There are no dead letters.", err=True)


@logs.command()
@click.option("--since", metavar="TIME", help="Send what is missing of the records from then on.")
@click.option("--dead-letters", is_flag=True, help="Send what was refused for good, once the reason is mended.")
@click.option("--to", "name", metavar="NAME", help="The sink to send to; needed when several follow the log.")
@click.option("--wait/--no-wait", default=True, help="Wait until the running server has done it. Default: wait.")
@config_option
def replay(since: str | None, name: str | None, *, dead_letters: bool, wait: bool, config_path: str | None) -> None:
    """Send records again to a sink that follows the log, such as Elasticsearch, where they are missing there.

    Either those made since a time, or the dead letters. The running server does it, or the next one that is started.
    Nothing is stored twice.
    """
    from orbit.builtin.files import REPLAY, RESEND, living, request_replay, request_resend
    from orbit.builtin.files.followers import follower_folder, known

    if dead_letters == (since is not None):
        raise click.UsageError("say what to send: either --since TIME or --dead-letters.")
    directory, _ = _place(config_path)
    followers = known(directory)
    if not followers:
        raise click.ClickException(
            f"no sink follows the chat log in {directory}. Enable one, for example with a section 'elasticsearch:', "
            "and start the server once."
        )
    if name is None and len(followers) > 1:
        raise click.UsageError(f"several sinks follow the log: {', '.join(followers)}. Name one with --to.")
    name = name or next(iter(followers))
    if name not in followers:
        raise click.UsageError(f"'{name}' does not follow the log; these do: {', '.join(followers)}.")
    folder = follower_folder(directory, name)
    try:
        if since is None:
            request_resend(folder)
        else:
            request_replay(folder, _time(since, "--since"))
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror}") from error
    if name not in living(directory):
        click.echo(f"No server is running here. '{name}' sends what is missing when one is started.")
    elif wait:
        _wait(folder, followers[name], folder / (RESEND if since is None else REPLAY))
    else:
        click.echo(f"'{name}' was asked to send what is missing.")


def _wait(folder: Path, before: FollowerState, request: Path) -> None:
    import time

    from orbit.builtin.files import REPLAY, read_state
    from orbit.builtin.files.locks import is_held

    while True:
        taken = not request.exists()  # looked at before the state, which is saved before the request goes
        state = read_state(folder) or before
        if taken and state.updated > before.updated and (request.name != REPLAY or not state.lag_records):
            break
        if not is_held(folder / "lock"):
            raise click.ClickException("the server was stopped; the rest is sent when it is started again.")
        if state.status != "enabled":
            raise click.ClickException(f"it is {state.status} now: {state.detail}. It is done when that has passed.")
        time.sleep(0.1)
    sent, there = state.sent - before.sent, state.duplicates - before.duplicates
    refused = state.rejected - before.rejected
    click.echo(f"{sent} records sent, {there} were there already{f', {refused} were refused' if refused else ''}.")
    if state.dead_letters:
        click.echo(f"{state.dead_letters} dead letters are kept; 'orbit logs dead-letters' shows why.")


def _place(config_path: str | None) -> tuple[Path, FileLogSettings]:
    from pathlib import Path

    from orbit.builtin.files import FileLogSettings
    from orbit.config import load_config
    from orbit.config.convert import convert_all
    from orbit.errors import ConfigError

    values = {key: value for key, value in load_config(config_path).host.logging.file.items() if key not in _HOST_KEYS}
    settings, problems = convert_all(values, FileLogSettings, "logging.file")
    if settings is None:
        raise ConfigError(problems)
    return Path(settings.directory).expanduser().absolute(), settings


def _readable(config_path: str | None) -> tuple[Path, FileLogSettings]:
    """The log's folder and settings, if this user may look into it."""
    directory, settings = _place(config_path)
    try:
        next(directory.iterdir(), None)
    except FileNotFoundError:
        raise click.ClickException(f"there is no folder {directory} yet; see logging.file.directory.") from None
    except PermissionError:
        raise click.ClickException(f"{directory} is private to the user that the server runs as.") from None
    except OSError as error:
        raise click.ClickException(f"{directory} cannot be read: {error.strerror}.") from error
    return directory, settings


_HOST_KEYS = ("use", "enabled", "required")


def _search(config_path: str | None, wanted: Filter) -> Search:
    from orbit.builtin.files import Naming
    from orbit.builtin.files.searching import Search

    directory, settings = _readable(config_path)
    return Search(directory, Naming(settings.filename), wanted)


def _wanted(*, since: str | None, until: str | None, **rest: Any) -> Filter:
    from orbit.builtin.files.searching import Filter

    return Filter(
        since=None if since is None else _time(since, "--since"),
        until=None if until is None else _time(until, "--until"),
        **rest,
    )


def _time(text: str, option: str) -> float:
    import time

    from orbit.builtin.files.searching import parse_time

    try:
        return parse_time(text, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _show(line: bytes, found: Found, *, as_json: bool) -> None:
    if as_json:
        click.echo(line)
        return
    from datetime import UTC

    who = found.client_name or found.key_hint or "-"
    parts = [
        found.timestamp.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        f"{found.status:<9}",
        f"{who:<10}",
        f"{found.durations.get('total', 0.0):6.2f}s",
        _short(found.query),
        "->",
        _short(found.response or (found.reason and f"({found.reason})")),
    ]
    click.echo("  ".join(parts))


def _show_letter(letter: DeadLetter) -> None:
    from contextlib import suppress

    import msgspec

    from orbit.builtin.files.searching import Found

    request_id = ""
    with suppress(msgspec.DecodeError):  # what is no record has none
        request_id = msgspec.json.decode(letter.line, type=Found).request_id
    status = str(letter.status or "-")
    click.echo("  ".join((letter.time, _one_line(request_id) or "-", status, _one_line(letter.reason))))


def _one_line(text: str) -> str:
    """A text on one line, printable whatever is in it."""
    return "".join(sign if sign.isprintable() else " " for sign in " ".join(text.split()))


def _short(text: str | None) -> str:
    """The beginning of a text."""
    if text is None:
        return "(not kept)"
    line = _one_line(text)
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
