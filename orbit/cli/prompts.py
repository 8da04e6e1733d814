"""`orbit prompts`: system prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orbit.cli.shared.printing import moment
from orbit.cli.shared.target import (
    EXIT_CODES,
    Target,
    checked,
    every,
    find_prompt,
    given,
    prompt_options,
    target_options,
    text_of,
)

if TYPE_CHECKING:
    from orbit.admin.wire import KeyInfo, PromptInfo
    from orbit.cli.shared.target import AnyAdministration


@click.group(epilog=EXIT_CODES)
def prompts() -> None:
    """Create, list and change system prompts.

    A prompt applies to the keys that are tied to it. ORBIT keeps all versions of a prompt. Without --url, commands
    work on the database of the configuration.
    """


@prompts.command()
@click.option("--name", required=True, help="Unique name of the prompt.")
@click.option("--file", "prompt", required=True, metavar="FILE", help="File with the text; - reads standard input.")
@click.option("--version", metavar="TEXT", help="Label of this version. Default: 1.0.")
@target_options
def create(target: Target, name: str, prompt: str, version: str | None) -> None:
    """Create a prompt."""
    from orbit.admin.wire import NewPrompt

    new = checked(NewPrompt, given(name=name, prompt=text_of(prompt), version=version))
    target.show(target.do(lambda admin: admin.create_prompt(new)))


@prompts.command("list")
@target_options
def list_(target: Target) -> None:
    """Show all prompts."""
    found = target.do(lambda admin: every(admin.list_prompts))
    rows = [[item.id, item.name, item.version, moment(item.updated_at), _first_line(item.prompt)] for item in found]
    columns = ["id", "name", "version", "updated", "begins with"]
    target.show_all(found, columns, rows, empty="There are no prompts yet; `orbit prompts create` makes one.")


@prompts.command()
@prompt_options
@target_options
def get(target: Target, reference: str) -> None:
    """Show one prompt."""
    target.show(target.do(lambda admin: find_prompt(admin, reference)))


@prompts.command()
@prompt_options
@target_options
def versions(target: Target, reference: str) -> None:
    """Show all versions of a prompt, newest first."""

    async def work(admin: AnyAdministration) -> list[PromptInfo]:
        return await admin.prompt_versions((await find_prompt(admin, reference)).id)

    found = target.do(work)
    rows = [[item.version, item.name, moment(item.updated_at), _first_line(item.prompt)] for item in found]
    target.show_all(found, ["version", "name", "since", "begins with"], rows)


@prompts.command()
@prompt_options
@click.option("--file", "prompt", metavar="FILE", help="File with the new text; - reads standard input.")
@click.option("--version", metavar="TEXT", help="Label of the new version. Default: the next number.")
@click.option("--name", help="A new name.")
@target_options
def update(target: Target, reference: str, prompt: str | None, version: str | None, name: str | None) -> None:
    """Change a prompt and keep the earlier version."""
    from orbit.admin.wire import PromptUpdate

    if prompt is None and version is None and name is None:
        raise click.UsageError("Give at least one of --file, --version and --name.")
    change = checked(
        PromptUpdate, given(prompt=None if prompt is None else text_of(prompt), version=version, name=name)
    )

    async def work(admin: AnyAdministration) -> PromptInfo:
        return await admin.update_prompt((await find_prompt(admin, reference)).id, change)

    target.show(target.do(work))


@prompts.command()
@prompt_options
@click.option("--force", is_flag=True, help="Delete it even if keys use it, and detach them.")
@target_options
def delete(target: Target, reference: str, force: bool) -> None:
    """Delete a prompt that no key uses."""
    from orbit.admin.wire import Done

    async def work(admin: AnyAdministration) -> None:
        await admin.delete_prompt((await find_prompt(admin, reference)).id, force=force)

    target.do(work)
    target.show(Done("Prompt deleted"), "Deleted.")


@prompts.command()
@click.option("--key", required=True, metavar="KEY", help="The key or its id.")
@click.option("--prompt-id", metavar="ID", help="The id or name of the prompt.")
@click.option("--detach", is_flag=True, help="Detach the key from its prompt.")
@target_options
def associate(target: Target, key: str, prompt_id: str | None, detach: bool) -> None:
    """Tie a key to a prompt, from its next request on."""
    if bool(prompt_id) == detach:
        raise click.UsageError("Give either --prompt-id or --detach.")

    async def work(admin: AnyAdministration) -> KeyInfo:
        chosen = None if prompt_id is None else (await find_prompt(admin, prompt_id)).id
        return await admin.set_prompt(key, chosen)

    done = target.do(work)
    target.show(done, f"{done.api_key} of {done.client_name}: system prompt {done.system_prompt_id or 'detached'}.")


def _first_line(text: str) -> str:
    longest = 60
    line = text.strip().partition("\n")[0]
    return line if len(line) <= longest else line[: longest - 1] + "…"
