"""The printing of records and dead letters."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC

import click
import msgspec

from orbit.chatlog import DeadLetter
from orbit.chatlog.searching import Found
from orbit.sanitize import printable, printable_json

WIDTH = 60
"""Longest text to print, in characters."""


def show(line: bytes, found: Found, *, as_json: bool) -> None:
    """Print a record on one line: time, request id, status, client, duration, question, answer and reason."""
    if as_json:
        click.echo(printable_json(line.decode("utf-8", "replace")))
        return
    who = found.client_name or found.key_hint or "-"
    parts = [
        found.timestamp.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        f"{_one_line(found.request_id) or '-':<24}",
        f"{printable(found.status):<9}",
        f"{_one_line(who):<10}",
        f"{found.durations.get('total', 0.0):6.2f}s",
        _short(found.query),
        "->",
        _short(found.response),
        f"({_short(found.reason)})" if found.reason else "",
    ]
    click.echo("  ".join(filter(None, parts)))


def show_letter(letter: DeadLetter, *, as_json: bool) -> None:
    """Print a dead letter on one line: time, request id, status and reason."""
    if as_json:
        click.echo(printable_json(msgspec.json.encode(letter).decode()))
        return
    request_id = ""
    with suppress(msgspec.DecodeError, RecursionError):  # only records have one
        request_id = msgspec.json.decode(letter.line, type=Found).request_id
    status = str(letter.status or "-")
    click.echo("  ".join((letter.time, _one_line(request_id) or "-", status, _one_line(letter.reason))))


def _one_line(text: str) -> str:
    """Return a text as one printable line."""
    return printable(" ".join(text.split()))


def _short(text: str | None) -> str:
    """Return the beginning of a text."""
    if text is None:
        return "(not kept)"
    line = _one_line(text)
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
