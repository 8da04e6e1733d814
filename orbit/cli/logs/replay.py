"""Asking a sink that follows the log to send records again, and waiting until it has."""

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
from orbit.chatlog.locks import is_held


def request(directory: Path, name: str | None, since: float | None, *, wait: bool) -> None:
    """Ask for the records made since a time (Unix seconds), or for the dead letters if it is None.

    ``directory`` is the log's; ``name`` is the sink's, needed where there are several.
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
        click.echo(f"No server is running here. '{name}' sends what is missing when one is started.")
    elif wait:
        _wait(folder, followers[name], folder / (RESEND if since is None else REPLAY))
    else:
        click.echo(f"'{name}' was asked to send what is missing.")


def _wait(folder: Path, before: FollowerState, request: Path) -> None:
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
