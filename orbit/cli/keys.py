"""`orbit keys`: the API keys of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from orbit.cli.shared.printing import moment
from orbit.cli.shared.target import (
    EXIT_CODES,
    Target,
    checked,
    every,
    find_prompt,
    given,
    key_options,
    target_options,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from orbit.admin.remote_collections import RemoteCollections
    from orbit.admin.wire import BudgetInfo, KeyInfo, OwnKey
    from orbit.cli.shared.target import AnyAdministration

F = TypeVar("F", bound="Callable[..., Any]")
BUDGETS = ("requests_per_day", "requests_per_month", "tokens_per_day", "tokens_per_month")
KEEP = "\nKeep the key now: ORBIT stores only its digest and cannot show it again."


def budget_options(help_text: str, least: int) -> Callable[[F], F]:
    """Return a decorator that adds the options of budgets; ``{}`` in the help is what is counted, and when."""

    def add(command: F) -> F:
        for name in reversed(BUDGETS):
            option, told = f"--{name.replace('_', '-')}", help_text.format(name.replace("_per_", " a "))
            command = click.option(option, name, type=click.IntRange(min=least), metavar="N", help=told)(command)
        return command

    return add


@click.group(epilog=EXIT_CODES)
def keys() -> None:
    """Create, list and revoke API keys.

    Only `create` and `rotate` show a key; name it by its id later. Without --url, commands work on the
    database of the configuration, whether a server runs or not.
    """


@keys.command()
@click.option("--name", "client_name", required=True, help="Who the key is for.")
@click.option(
    "--collection",
    "collection_name",
    metavar="NAME",
    help="Collection to answer from. Default: the default collection.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="A model that it may name; the first is its default. Default: all models.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="A group whose restricted files it may read. Default: only files that everybody may read.",
)
@click.option("--notes", help="Anything worth remembering.")
@click.option("--prompt-id", "system_prompt_id", metavar="ID", help="System prompt for its answers.")
@click.option("--prompt-name", metavar="NAME", help="System prompt by name; with --prompt-file, the name of a new one.")
@click.option("--prompt-file", metavar="FILE", help="Text of a new prompt; - reads standard input.")
@click.option("--expires-at", metavar="TIME", help="Expiry: Unix seconds or ISO 8601.")
@click.option("--requests-per-minute", type=click.IntRange(min=1), metavar="N", help="Rate limit. Default: none.")
@budget_options("Budget of {}, in UTC. Default: none.", 1)
@target_options
def create(  # click passes options by name
    target: Target,
    client_name: str,
    collection_name: str | None,
    models: tuple[str, ...],
    groups: tuple[str, ...],
    notes: str | None,
    system_prompt_id: str | None,
    prompt_name: str | None,
    prompt_file: str | None,
    expires_at: str | None,
    requests_per_minute: int | None,
    **budgets: int | None,
) -> None:
    """Create a key and show it, this once."""
    import msgspec

    from orbit.admin.wire import NewKey, NewPrompt

    if system_prompt_id and (prompt_name or prompt_file):
        raise click.UsageError("Give either --prompt-id, or --prompt-name with or without --prompt-file.")
    if prompt_file and not prompt_name:
        raise click.UsageError("--prompt-file creates a prompt: name it with --prompt-name.")
    new = checked(
        NewKey,
        given(
            client_name=client_name,
            collection_name=collection_name,
            notes=notes,
            system_prompt_id=system_prompt_id,
            expires_at=_time(expires_at),
            requests_per_minute=requests_per_minute,
            models=models or None,
            **budgets,
            groups=groups or None,
        ),
    )
    prompt = checked(NewPrompt, {"name": prompt_name, "prompt": text_of(prompt_file)}) if prompt_file else None

    async def work(admin: AnyAdministration) -> KeyInfo:
        used = None
        if prompt is not None:
            used = await admin.create_prompt(prompt)
        elif prompt_name:
            used = await find_prompt(admin, prompt_name)
        return await admin.create_key(msgspec.structs.replace(new, system_prompt_id=used.id) if used else new)

    _show_secret(target, target.do(work))
    _warn_of_missing_models(target, models)
    _warn_of_missing_collection(target, collection_name)


@keys.command("list")
@target_options
def list_(target: Target) -> None:
    """Show all keys, masked."""
    found = target.do(lambda admin: every(admin.list_keys))
    rows = [
        [
            key.id,
            key.api_key,
            key.client_name,
            key.collection or "-",
            ", ".join(key.models) or "all",
            "; ".join(map(_budget, key.budgets)) or "-",
            ", ".join(key.groups) or "-",
            key.status,
            moment(key.created_at),
            key.notes,
        ]
        for key in found
    ]
    columns = ["id", "key", "client", "collection", "models", "budgets", "groups", "status", "created", "notes"]
    target.show_all(found, columns, rows, empty="There are no keys yet; `orbit keys create` makes one.")


@keys.command()
@key_options
@target_options
def status(target: Target, reference: str) -> None:
    """Show one key in full."""
    _show(target, target.do(lambda admin: admin.key_status(reference)))


@keys.command()
@key_options
@target_options
def test(target: Target, reference: str) -> None:
    """Test a key as a client would use it. Exit code 4: it is not valid."""
    from orbit.auth.keys import NOT_VALID
    from orbit.errors import Unauthorized

    async def tested(admin: AnyAdministration) -> OwnKey:
        try:
            return await admin.test_key(reference)
        except Unauthorized as error:
            raise Unauthorized(NOT_VALID) from error

    found = target.do(tested)
    target.show(
        found, f"{found.api_key} of {found.client_name} works; collection: {found.collection or 'the default'}."
    )


@keys.command()
@key_options
@click.option("--name", "client_name", help="Who the key is for.")
@click.option(
    "--collection", "collection_name", metavar="NAME", help="Collection to answer from; '' for the default one."
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="The models that it may name, each with --model; the first is its default. '' for all.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    help="The groups whose restricted files it may read, each with --group. '' for none.",
)
@click.option("--notes", help="Anything worth remembering.")
@click.option("--expires-at", metavar="TIME", help="Expiry: Unix seconds, ISO 8601, or '' for never.")
@click.option("--requests-per-minute", type=click.IntRange(min=0), metavar="N", help="Rate limit; 0 for none.")
@budget_options("Budget of {}, in UTC; 0 for none.", 0)
@click.option("--activate", is_flag=True, help="Let a deactivated key work again.")
@target_options
def update(  # click passes options by name
    target: Target,
    reference: str,
    client_name: str | None,
    collection_name: str | None,
    models: tuple[str, ...],
    groups: tuple[str, ...],
    notes: str | None,
    expires_at: str | None,
    requests_per_minute: int | None,
    activate: bool,
    **budgets: int | None,
) -> None:
    """Change a key, from its next request on."""
    from orbit.admin.wire import KeyUpdate

    changes = given(
        client_name=client_name,
        collection_name=collection_name,
        notes=notes,
        expires_at=_time(expires_at),
        requests_per_minute=requests_per_minute,
        models=models or None,
        groups=groups or None,
        active=activate or None,
        **budgets,
    )
    if not changes:
        raise click.UsageError("Give at least one option to change; see `orbit keys update --help`.")
    numbers = dict.fromkeys(("requests_per_minute", *BUDGETS), 0)
    none: dict[str, Any] = {"collection_name": "", "expires_at": "", "models": ("",), "groups": ("",), **numbers}
    changes = {name: None if value == none.get(name) else value for name, value in changes.items()}
    change = checked(KeyUpdate, changes)
    _show(target, target.do(lambda admin: admin.update_key(reference, change)))
    _warn_of_missing_models(target, models)
    _warn_of_missing_collection(target, collection_name)


@keys.command()
@key_options
@target_options
def deactivate(target: Target, reference: str) -> None:
    """Revoke a key and keep its record."""
    done = target.do(lambda admin: admin.deactivate_key(reference))
    target.show(done, f"Deactivated {done.api_key} of {done.client_name}.")


@keys.command()
@key_options
@target_options
def delete(target: Target, reference: str) -> None:
    """Delete a key and its conversations."""
    from orbit.admin.wire import Done

    target.do(lambda admin: admin.delete_key(reference))
    target.show(Done("API key deleted"), "Deleted.")


@keys.command()
@key_options
@click.option(
    "--grace",
    type=click.FloatRange(0, 31_536_000),
    default=0.0,
    metavar="SECONDS",
    help="How long the old secret stays valid. Default: 0.",
)
@target_options
def rotate(target: Target, reference: str, grace: float) -> None:
    """Give a key a new secret and show it, this once."""
    _show_secret(target, target.do(lambda admin: admin.rotate_key(reference, grace)))


@keys.command()
@target_options
def migrate(target: Target) -> None:
    """Replace clear keys of an earlier ORBIT by their digests."""
    number = target.do(lambda admin: admin.migrate())
    target.show({"migrated": number}, f"Replaced {number} clear keys by digests.")


def _warn_of_missing_models(target: Target, models: tuple[str, ...]) -> None:
    """Name the models that the server, or the configuration, lacks."""
    if not any(models):
        return
    from orbit.host.models.catalogue import missing_from

    names = _told_by_server(target, _models_of_server) if target.url else _models_of_configuration(target)
    missing = () if names is None else missing_from(names, models)
    if missing:
        click.echo(
            f"Warning: there is no model {', '.join(map(repr, missing))}: requests of this key for it are refused. "
            f"Models: {', '.join(names or ()) or 'none'}.",
            err=True,
        )


def _warn_of_missing_collection(target: Target, name: str | None) -> None:
    """Say that a running server does not have the collection of a key.

    Without a server, the stores stay closed: opening them takes seconds, and a key often comes before its documents.
    """
    if not name or not target.url:
        return
    stored = _told_by_server(target, _collections_of_server)
    if stored is not None and name not in stored:
        click.echo(
            f"Warning: there is no collection '{name}': questions of this key fail until documents are ingested into "
            f"it. Collections: {', '.join(stored) or 'none'}.",
            err=True,
        )


def _told_by_server(target: Target, ask: Callable[[RemoteCollections], Awaitable[list[str]]]) -> list[str] | None:
    """Return names that a server tells; None if it does not, as before version 0.3."""
    from orbit.admin.remote_collections import RemoteCollections
    from orbit.errors import OrbitError

    async def work(server: RemoteCollections) -> list[str] | None:
        try:
            return await ask(server)
        except OrbitError:  # the key itself has been changed, and was reported
            return None

    return target.run(lambda: RemoteCollections(target.url or "", target.token()), work)


async def _models_of_server(server: RemoteCollections) -> list[str]:
    """Return the models that clients may name."""
    return [model.name for model in await server.list_models() if not model.internal]


async def _collections_of_server(server: RemoteCollections) -> list[str]:
    return [collection.name for collection in await server.every()]


def _models_of_configuration(target: Target) -> list[str] | None:
    """Return the models that clients may name; None if the configuration has problems."""
    from orbit.host.host import OrbitHost

    host = OrbitHost.from_file(target.config_path)
    return None if host.problems else list(host.catalogue.names())


def _show_secret(target: Target, key: KeyInfo) -> None:
    _show(target, key)
    if not target.as_json:
        click.echo(KEEP, err=True)


def _show(target: Target, key: KeyInfo) -> None:
    """Print a key: for people, its budgets in words and only there."""
    import msgspec

    if target.as_json:
        target.show(key)
        return
    fields = {name: value for name, value in msgspec.to_builtins(key).items() if name not in BUDGETS}
    target.show(fields | {"budgets": [_budget(budget) for budget in key.budgets]})


def _budget(budget: BudgetInfo) -> str:
    what = budget.name.replace("_per_", " a ")
    used = "?" if budget.used is None else f"{budget.used:,}"
    return f"{used} of {budget.limit:,} {what} until {moment(budget.resets_at)}"


def _time(text: str | None) -> float | str | None:
    """Return Unix seconds or ISO 8601 as Unix seconds; other text stays, for validation to refuse."""
    if not text:
        return text
    try:
        return float(text)
    except ValueError:
        from datetime import UTC, datetime

        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return text
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
