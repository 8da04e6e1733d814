"""The records of system prompts, and the contract of their storage."""

from __future__ import annotations

import abc
import re
from collections.abc import AsyncIterator, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from orbit.database.keys import ApiKey
from orbit.database.records import PAGE
from orbit.errors import OrbitError


class SystemPrompt(msgspec.Struct, frozen=True):
    """A named instruction for the model. ``revision`` counts its updates, ``version`` is the operator's label."""

    id: str
    name: str
    prompt: str
    version: str = "1.0"
    created_at: float = 0.0
    updated_at: float = 0.0
    revision: int = 1


class PromptChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a prompt. A new text without a new version gets the next one (1.0 becomes 1.1)."""

    name: str | UnsetType = UNSET
    prompt: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class UnknownPrompt(OrbitError):
    """No prompt has this id or name."""

    code = "unknown_prompt"

    def __init__(self, reference: str) -> None:
        super().__init__(f"There is no system prompt {reference!r}; `orbit prompts list` shows those that exist.")


class DuplicatePrompt(OrbitError):
    """Another prompt has this name."""

    code = "duplicate_prompt"

    def __init__(self, name: str) -> None:
        super().__init__(f"A system prompt named {name!r} exists already; update it or choose another name.")


class PromptInUse(OrbitError):
    """Keys use the prompt to delete; ``keys`` are their records."""

    code = "prompt_in_use"

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self.keys = tuple(keys)
        names = ", ".join(f"{key.client_name} (***{key.hint})" for key in keys[:5])
        more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""  # noqa: PLR2004 - as many as are named above
        super().__init__(f"Keys use this prompt: {names}{more}. Give them another one, or force the deletion.")


class PromptRecords(abc.ABC):
    """The system prompts of a database and their versions."""

    @abc.abstractmethod
    async def create_prompt(self, name: str, prompt: str, version: str = "1.0") -> SystemPrompt:
        """Insert a new prompt. Raises DuplicatePrompt."""

    @abc.abstractmethod
    async def get_prompt(self, prompt_id: str) -> SystemPrompt:
        """Return the prompt with this id. Raises UnknownPrompt."""

    @abc.abstractmethod
    async def get_prompt_by_name(self, name: str) -> SystemPrompt:
        """Return the prompt with this name. Raises UnknownPrompt."""

    @abc.abstractmethod
    async def list_prompts(self, *, after: str = "", limit: int = PAGE) -> list[SystemPrompt]:
        """Return a page of prompts after the id ``after``, ordered by id."""

    @abc.abstractmethod
    async def update_prompt(self, prompt_id: str, changes: PromptChanges) -> SystemPrompt:
        """Change a prompt and keep the earlier version. Raises UnknownPrompt and DuplicatePrompt."""

    @abc.abstractmethod
    async def prompt_versions(self, prompt_id: str) -> list[SystemPrompt]:
        """Return all versions of a prompt, newest first. Raises UnknownPrompt."""

    @abc.abstractmethod
    async def delete_prompt(self, prompt_id: str, *, force: bool = False) -> None:
        """Delete a prompt. Raises UnknownPrompt, and PromptInUse unless ``force``, which detaches the keys."""

    async def all_prompts(self) -> AsyncIterator[SystemPrompt]:
        """Yield every prompt, page by page."""
        after = ""
        while page := await self.list_prompts(after=after):
            for prompt in page:
                yield prompt
            after = page[-1].id


def next_version(version: str) -> str:
    """Return the version after this one: its last number plus one, or ``.1`` appended."""
    parts = re.fullmatch(r"(.*?)(\d+)(\D*)", version, re.DOTALL)
    return f"{parts[1]}{int(parts[2]) + 1}{parts[3]}" if parts else f"{version}.1"


def changed_prompt(prompt: SystemPrompt, changes: PromptChanges, now: float) -> SystemPrompt:
    """Return the next revision of a prompt, or the same object if nothing changes."""
    name = prompt.name if changes.name is UNSET else changes.name
    text = prompt.prompt if changes.prompt is UNSET else changes.prompt
    version = prompt.version if changes.version is UNSET else changes.version
    if text != prompt.prompt and changes.version is UNSET:
        version = next_version(version)
    if (name, text, version) == (prompt.name, prompt.prompt, prompt.version):
        return prompt
    return msgspec.structs.replace(
        prompt, name=name, prompt=text, version=version, updated_at=now, revision=prompt.revision + 1
    )
