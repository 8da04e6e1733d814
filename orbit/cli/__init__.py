"""The command ``orbit``. Each subcommand is a module of this package, imported on first use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from orbit.errors import ConfigError, OrbitError
from orbit.sanitize import LINES, printable

COMMANDS = {
    "serve": "Run the server.",
    "reload": "Let the running server read its configuration again.",
    "log-level": "Show or change how much the running server logs.",
    "health": "Ask whether the server is up, for health checks of containers.",
    "check": "Check the configuration without starting anything.",
    "plugins": "List installed plugins and their state in the configuration.",
    "plugin": "Write a plugin of your own.",
    "models": "List the models that clients may name.",
    "keys": "Create, list and revoke API keys.",
    "prompts": "Create, list and change system prompts.",
    "ingest": "Add files to a collection.",
    "sync": "Add the files of connectors to their collections.",
    "collections": "List collections and adopt those of other programs.",
    "chat": "Ask questions in the terminal.",
    "eval": "Measure how well a collection answers.",
    "calibrate": "Propose a threshold for a collection.",
    "logs": "Read, search and resend the chat log.",
    "doctor": "Show versions, disk, certificate and what the configuration reaches.",
    "backup": "Write configuration, keys and documents to one file.",
    "restore": "Restore a backup.",
    "database": "Copy keys, prompts and conversations to another database.",
    "token": "Show or rotate the admin token.",
    "migrate": "Move from the earlier ORBIT.",
}
"""Subcommand -> its line in the help. The module ``orbit.cli.<name>``, with ``_`` for ``-``, has it as that name."""


class _LazyGroup(click.Group):
    """A group that imports each command on first use, so that help is quick."""

    def invoke(self, ctx: click.Context) -> Any:
        given = list(ctx.args)
        try:
            return super().invoke(ctx)
        except UnicodeEncodeError as error:  # file names may be any bytes, other arguments are text
            if not _is_bytes(error.object[error.start]):
                raise
            broken = next((argument for argument in given if any(map(_is_bytes, argument))), None)
            what = "The input" if broken is None else f"'{printable(broken)}'"
            raise click.UsageError(f"{what} is not valid UTF-8.", ctx) from None
        except click.ClickException as error:  # its text may come from a server or a file
            error.message = printable(error.message, keep=LINES)  # type: ignore[misc]  # click marks it final
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            name = cmd_name.replace("-", "_")
            command: click.Command = getattr(importlib.import_module(f"orbit.cli.{name}"), name)
            return command
        from orbit.cli.plugin_commands import plugin_group

        return plugin_group(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from orbit.config.convert import suggest

            raise click.UsageError(f"{error.message.rstrip('.')}.{suggest(args[0], COMMANDS)}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _is_bytes(character: str) -> bool:
    """Return whether a character stands for a byte that is not UTF-8, in what comes from the system."""
    return "\udc80" <= character <= "\udcff"


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="orbit-inference", prog_name="orbit")
def orbit() -> None:
    """ORBIT answers from your own documents with the model of your choice.

    An installed plugin may add commands of its own: orbit PLUGIN --help.
    """


@contextmanager
def reported() -> Iterator[None]:
    """Print ORBIT's errors as sentences and exit with status 1."""
    try:
        yield
    except ConfigError as error:
        count = len(error.problems)
        click.echo(f"The configuration has {count} problem{'s' if count > 1 else ''}:", err=True)
        for problem in error.problems:
            click.echo(f"  - {printable(str(problem), keep=LINES)}", err=True)
        sys.exit(1)
    except OrbitError as error:
        click.echo(f"Error: {printable(str(error), keep=LINES)}", err=True)
        sys.exit(1)


def main() -> None:
    """Run ``orbit``."""
    with reported():
        orbit()
