"""`orbit keys`: the API keys of clients."""

from __future__ import annotations

import click

from orbit.cli.administration import (
    administration,
    key_options,
    moment,
    print_fields,
    print_json,
    print_table,
    run,
    target_options,
)


@click.group()
def keys() -> None:
    """Make, show and revoke the API keys of clients.

    A key is shown once, when it is made; later it is named by its id. Exit codes: 1 refused, 2 wrong usage,
    3 store or server unreachable, 4 not permitted.
    """


@keys.command()
@click.option("--name", "client_name", required=True, help="Who the key is for.")
@click.option("--collection", metavar="NAME", help="The collection it answers from; the default one if not given.")
@click.option("--notes", default="", help="Anything worth remembering.")
@click.option("--expires-at", metavar="TIME", help="When it ends: Unix seconds or ISO 8601.")
@click.option("--requests-per-minute", type=click.IntRange(1, 1_000_000), help="How often it may ask.")
@target_options
def create(  # noqa: PLR0917 - click passes options by name
    client_name: str,
    collection: str | None,
    notes: str,
    expires_at: str | None,
    requests_per_minute: int | None,
    config_file: str | None,
    as_json: bool,
) -> None:
    """Make a key and show it, this once."""
    from orbit.admin.wire import KeyInfo, NewKey
    from orbit.cli.administration import checked

    new = checked(
        NewKey,
        client_name=client_name,
        collection_name=collection,
        notes=notes,
        expires_at=_time(expires_at),
        requests_per_minute=requests_per_minute,
    )

    async def work() -> KeyInfo:
        async with administration(config_file) as admin:
            return await admin.create_key(new)

    made = run(work)
    if as_json:
        print_json(made)
        return
    print_fields(made)
    click.echo("\nKeep the key now: it is not stored and cannot be shown again.", err=True)


@keys.command("list")
@target_options
def list_(config_file: str | None, as_json: bool) -> None:
    """Show all keys, masked."""
    from orbit.admin.wire import KeyInfo
    from orbit.cli.administration import every

    async def work() -> list[KeyInfo]:
        async with administration(config_file) as admin:
            return await every(admin.list_keys)

    found = run(work)
    if as_json:
        print_json(found)
        return
    rows = [
        [key.id, key.api_key, key.client_name, key.collection or "-", key.status, moment(key.created_at), key.notes]
        for key in found
    ]
    columns = ["id", "key", "client", "collection", "status", "created", "notes"]
    print_table(columns, rows, empty="There are no keys yet; `orbit keys create` makes one.")


@keys.command()
@key_options
@target_options
def status(reference: str, config_file: str | None, as_json: bool) -> None:
    """Show all about one key."""
    from orbit.admin.wire import KeyDetails

    async def work() -> KeyDetails:
        async with administration(config_file) as admin:
            return await admin.key_status(reference)

    found = run(work)
    (print_json if as_json else print_fields)(found)


@keys.command()
@key_options
@target_options
def deactivate(reference: str, config_file: str | None, as_json: bool) -> None:
    """Revoke a key; its record stays."""
    from orbit.admin.wire import KeyInfo

    async def work() -> KeyInfo:
        async with administration(config_file) as admin:
            return await admin.deactivate_key(reference)

    done = run(work)
    if as_json:
        print_json(done)
    else:
        click.echo(f"Deactivated {done.api_key} of {done.client_name}.")


@keys.command()
@key_options
@target_options
def delete(reference: str, config_file: str | None, as_json: bool) -> None:
    """Forget a key."""
    from orbit.admin.wire import Done

    async def work() -> None:
        async with administration(config_file) as admin:
            await admin.delete_key(reference)

    run(work)
    if as_json:
        print_json(Done("API key deleted"))
    else:
        click.echo("Deleted.")


def _time(text: str | None) -> float | str | None:
    """Unix seconds as a number; anything else is left to be read as ISO 8601."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
