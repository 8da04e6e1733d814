"""Requests to a sink that follows the log: send records again."""

from __future__ import annotations

import time
from pathlib import Path

import click

from orbit.chatlog import FollowerState
from orbit.chatlog.followers import (
    REPLAY,
    RESEND,
    follower_folder,
    known,
    living,
    read_state,
    request_replay,
    request_resend,
)
from orbit.system.files import is_held


def request(directory: Path, name: str | None, since: float | None, *, wait: bool) -> None:
    """Ask a sink to send the records since a time (Unix seconds), or the dead letters if it is None.

    ``directory`` is the log's. ``name`` is the sink's, required if there are several.
    """
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
            request_replay(folder, since)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror}") from error
    if name not in living(directory):
        click.echo(f"No server is running here. '{name}' sends the missing records when one starts.")
    elif wait:
        _wait(folder, followers[name], folder / (RESEND if since is None else REPLAY))
    else:
        click.echo(f"'{name}' will send the missing records.")


def _wait(folder: Path, before: FollowerState, request: Path) -> None:
    while True:
        taken = not request.exists()  # before the state: the server saves the state, then deletes the request
        state = read_state(folder) or before
        if taken and state.updated > before.updated and (request.name != REPLAY or not state.lag_records):
            break
        if not is_held(folder / "lock"):
            raise click.ClickException("the server stopped; it sends the rest after the next start.")
        if state.status != "enabled":
            raise click.ClickException(
                f"the sink is {state.status}: {state.detail}. It sends the records once that is over."
            )
        time.sleep(0.1)
    sent, there = state.sent - before.sent, state.duplicates - before.duplicates
    refused = state.rejected - before.rejected
    click.echo(f"{sent} records sent, {there} already there{f', {refused} rejected' if refused else ''}.")
    if state.dead_letters:
        click.echo(f"{state.dead_letters} dead letters remain; 'orbit logs dead-letters' shows why.")
