"""The target of `keys` and `prompts` commands, their options and their exit codes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from orbit.cli.shared.options import config_option, json_option
from orbit.cli.shared.printing import print_fields, print_json, print_table
from orbit.sanitize import LINES, printable

if TYPE_CHECKING:
    from orbit.admin.client import RemoteAdministration
    from orbit.admin.service import Administration
    from orbit.admin.wire import PromptInfo

    AnyAdministration: TypeAlias = Administration | RemoteAdministration

A = TypeVar("A")
T = TypeVar("T")

REFUSED = 1
"""Exit code: the request is invalid or names something that does not exist."""
UNREACHABLE = 3
"""Exit code: the database or the server cannot be reached; trying again may help."""
FORBIDDEN = 4
"""Exit code: the admin token is missing or wrong, or a tested key is not valid."""

EXIT_CODES = "Exit codes: 1 refused, 2 wrong usage, 3 database or server unreachable, 4 not permitted."


class Target:
    """Where a command works: on a configuration's database, or through a running server."""

    def __init__(self, config_path: str | None, url: str | None, token_file: str | None, as_json: bool) -> None:
        self.config_path = config_path
        self.url = url
        self.token_file = token_file
        self.as_json = as_json

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AnyAdministration]:
        """Open the administration of this target."""
        if self.url:
            from orbit.admin.client import RemoteAdministration

            async with RemoteAdministration(self.url, self.token()) as remote:
                yield remote
            return
        from orbit.admin.service import Administration
        from orbit.config import load_config
        from orbit.database import open_database

        async with open_database(load_config(self.config_path)) as database:
            yield Administration(database)

    def do(self, work: Callable[[AnyAdministration], Awaitable[T]]) -> T:
        """Run ``work`` there. Print an error as one sentence on standard error and exit with its code."""
        return self.run(self.open, work)

    def run(self, opener: Callable[[], AbstractAsyncContextManager[A]], work: Callable[[A], Awaitable[T]]) -> T:
        """Run ``work`` on what ``opener`` opens. Print an error as one sentence and exit with its code."""
        import asyncio

        from orbit.admin.client import Unreachable
        from orbit.cli.shared.address import distrusted
        from orbit.errors import ConfigError, DatabaseUnavailable, OrbitError, Unauthorized

        async def opened() -> T:
            async with opener() as admin:
                return await work(admin)

        try:
            return asyncio.run(opened())
        except ConfigError:
            raise
        except OrbitError as error:
            reason = distrusted(error) if isinstance(error, Unreachable) else ""
            sentence = f"{self.url} answers, but {reason}" if reason else str(error)
            click.echo(f"Error: {printable(sentence, keep=LINES)}", err=True)
            unreachable = isinstance(error, Unreachable | DatabaseUnavailable)
            sys.exit(UNREACHABLE if unreachable else FORBIDDEN if isinstance(error, Unauthorized) else REFUSED)

    def show(self, record: Any, sentence: str = "") -> None:
        """Print a record as JSON if asked to, else as a sentence, else field by field."""
        if self.as_json:
            print_json(record)
        elif sentence:
            click.echo(printable(sentence, keep=LINES))
        else:
            print_fields(record)

    def show_all(self, records: Any, columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "") -> None:
        """Print records as JSON if asked to, else as a table, or ``empty`` if there are none."""
        if self.as_json:
            print_json(records)
        else:
            print_table(columns, rows, empty=empty)

    def token(self) -> str:
        """Return the admin token: from ``--token-file``, the environment, or a server on this machine."""
        if self.token_file:
            try:
                return Path(self.token_file).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise click.UsageError(f"--token-file {self.token_file} cannot be read: {_reason(error)}") from error
        from orbit.auth.admin_token import EARLIER_VARIABLE, VARIABLE, read_token

        token = (os.environ.get(VARIABLE) or os.environ.get(EARLIER_VARIABLE) or "").strip()
        if token:
            return token
        from orbit.config.load import read_config
        from orbit.errors import ConfigError

        config, problems = read_config(self.config_path)
        if found := read_token(config):
            return found
        if problems:  # they may hide where the token is
            raise ConfigError(problems)
        return ""


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every verb: where to work and how to print. The command receives a ``target``."""

    @config_option
    @click.option(
        "--url",
        "--server",
        "url",
        envvar=["ORBIT_URL", "API_SERVER_URL"],
        metavar="URL",
        help="Work through a running server, with the admin token of $ORBIT_ADMIN_TOKEN or the configuration. "
        "Default: $ORBIT_URL.",
    )
    @click.option("--token-file", metavar="FILE", help="File with the admin token.")
    @json_option
    @functools.wraps(command)
    def wrapped(config_path: str | None, url: str | None, token_file: str | None, as_json: bool, **values: Any) -> Any:
        return command(target=Target(config_path, url, token_file, as_json), **values)

    return wrapped


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add a key as an argument or ``--key``; the command receives it as ``reference``."""

    @click.argument("key_or_id", required=False)
    @click.option("--key", "key_option", metavar="KEY", help="The key or its id (`orbit keys list` shows ids).")
    @functools.wraps(command)
    def wrapped(key_or_id: str | None, key_option: str | None, **values: Any) -> Any:
        return command(reference=_one(key_or_id, key_option, "Name one key: its id, or the key itself."), **values)

    return wrapped


def prompt_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add a prompt as an argument or ``--id``; the command receives it as ``reference``."""

    @click.argument("id_or_name", required=False)
    @click.option("--id", "id_option", metavar="ID", help="The id or name of the prompt.")
    @functools.wraps(command)
    def wrapped(id_or_name: str | None, id_option: str | None, **values: Any) -> Any:
        return command(reference=_one(id_or_name, id_option, "Name one prompt: its id, or its name."), **values)

    return wrapped


def _one(argument: str | None, option: str | None, sentence: str) -> str:
    given = [value for value in (argument, option) if value]
    if len(given) != 1:
        raise click.UsageError(sentence)
    return given[0]


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def checked(kind: type[T], values: dict[str, Any]) -> T:
    """Return options as a request, validated as the HTTP API does. Raises UsageError with the option's name.

    A command's parameters have the names of the request's fields, so that a mistake in a field is one in its option.
    """
    import msgspec

    from orbit.admin.wire import plain

    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        mistake, _, place = str(error).partition(" - at `$.")
        field = place.rstrip("`").partition("[")[0]
        options = {param.name: param.opts[0] for param in click.get_current_context().command.params}
        raise click.UsageError(f"{options[field]}: {plain(mistake)}" if field in options else plain(mistake)) from error


async def every(list_page: Callable[[str], Awaitable[list[T]]]) -> list[T]:
    """Return all records of a paged listing."""
    records: list[T] = []
    after = ""
    while page := await list_page(after):
        records.extend(page)
        after = page[-1].id  # type: ignore[attr-defined]  # every record has an id
    return records


async def find_prompt(admin: AnyAdministration, reference: str) -> PromptInfo:
    """Return the prompt with this id, or else with this name."""
    from orbit.database.prompts import UnknownPrompt

    try:
        return await admin.get_prompt(reference)
    except UnknownPrompt:
        for prompt in await every(admin.list_prompts):
            if prompt.name == reference:
                return prompt
        raise


def text_of(file: str) -> str:
    """Return the text of a prompt file; ``-`` is standard input."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file} cannot be read: {_reason(error)}") from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return getattr(error, "strerror", None) or "it is not UTF-8 text"
