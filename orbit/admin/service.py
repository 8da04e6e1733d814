"""Administration of a database, for the HTTP routes and the command line."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime

from msgspec import UNSET

from orbit.admin.names import check_name
from orbit.admin.wire import (
    KeyDetails,
    KeyInfo,
    KeyUpdate,
    NewKey,
    NewPrompt,
    OwnKey,
    PromptInfo,
    PromptUpdate,
    key_details,
    key_info,
    own_key,
    prompt_info,
    unix_seconds,
)
from orbit.auth.keys import Authenticator, find_key, new_key
from orbit.database.base import Database
from orbit.database.budgets import Budgets, Use, day_of
from orbit.database.keys import ApiKey, KeyChanges, UnknownKey
from orbit.database.prompts import PromptChanges, UnknownPrompt
from orbit.database.records import PAGE, set_fields
from orbit.database.secrets import digest_of, generate_secret, hint_of
from orbit.errors import OrbitError

logger = logging.getLogger("orbit.admin")


class BadRequest(OrbitError):
    """A value has the right type but is impossible."""

    code = "bad_request"


class Administration:
    """Keys and prompts of a database, as administrators see them.

    A ``reference`` is a key's id or the key itself. Methods raise the database's errors and BadRequest.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # Keys

    async def create_key(self, new: NewKey) -> KeyInfo:
        """Create a key; only this answer shows it. Raises BadCollectionName."""
        if new.collection_name is not None:
            check_name(new.collection_name)
        secret, record = new_key(
            new.client_name.strip(),
            new.collection_name,
            system_prompt_id=new.system_prompt_id,
            notes=new.notes or "",
            expires_at=_future(new.expires_at),
            requests_per_minute=new.requests_per_minute,
            models=_each_once(new.models),
            budgets=Budgets(new.requests_per_day, new.tokens_per_day, new.requests_per_month, new.tokens_per_month),
            groups=_each_once(new.groups),
        )
        created = await self._database.create_key(record)
        logger.info("created key %s of %s", created.id, created.client_name)
        return await self._info(created, secret)

    async def list_keys(self, after: str = "", limit: int = PAGE) -> list[KeyInfo]:
        """Return a page of keys after the id ``after``."""
        keys = await self._database.list_keys(after=after, limit=limit)
        return await asyncio.gather(*map(self._info, keys))

    async def key_status(self, reference: str) -> KeyDetails:
        """Return one key in full."""
        key = await self._find(reference)
        prompt = None
        if key.system_prompt_id is not None:
            try:
                prompt = await self._database.get_prompt(key.system_prompt_id)
            except UnknownPrompt:
                prompt = None
        return key_details(key, prompt, await use_today(self._database, key))

    async def update_key(self, reference: str, update: KeyUpdate) -> KeyInfo:
        """Change a key, from its next request on. Raises BadCollectionName.

        A key that loses a group also loses its conversations, which may quote what it may not read any more.
        """
        if isinstance(update.collection_name, str):
            check_name(update.collection_name)
        name = update.client_name if update.client_name is UNSET else update.client_name.strip()
        ends = update.expires_at if update.expires_at is UNSET else _future(update.expires_at)
        changes = KeyChanges(
            client_name=name,
            collection_name=update.collection_name,
            active=update.active,
            notes=update.notes,
            expires_at=ends,
            requests_per_minute=update.requests_per_minute,
            models=update.models if update.models is UNSET else _each_once(update.models),
            requests_per_day=update.requests_per_day,
            requests_per_month=update.requests_per_month,
            tokens_per_day=update.tokens_per_day,
            tokens_per_month=update.tokens_per_month,
            groups=update.groups if update.groups is UNSET else _each_once(update.groups),
        )
        before = (await self._find(reference)).groups
        changed = await self._change(reference, changes)
        if not set(before).issubset(changed.groups):
            turns = await self._database.delete_conversations(changed.id)
            logger.info("key %s lost a group, and with it %d turns of conversations", changed.id, turns)
        return changed

    async def deactivate_key(self, reference: str) -> KeyInfo:
        """Revoke a key and keep its record."""
        return await self._change(reference, KeyChanges(active=False))

    async def delete_key(self, reference: str) -> None:
        """Delete a key and its conversations."""
        key = await self._find(reference)
        await self._database.delete_key(key.id)
        logger.info("deleted key %s of %s", key.id, key.client_name)

    async def set_prompt(self, reference: str, prompt_id: str | None) -> KeyInfo:
        """Tie a key to a system prompt, or with None to none."""
        return await self._change(reference, KeyChanges(system_prompt_id=prompt_id))

    async def rotate_key(self, reference: str, grace_seconds: float = 0.0) -> KeyInfo:
        """Give a key a new secret, which only this answer shows."""
        key = await self._find(reference)
        secret = generate_secret()
        until = time.time() + grace_seconds
        rotated = await self._database.rotate_key(key.id, digest_of(secret), hint_of(secret), until)
        logger.info("rotated key %s of %s", rotated.id, rotated.client_name)
        return await self._info(rotated, secret)

    async def test_key(self, secret: str) -> OwnKey:
        """Return what a client's key may do. Raises Unauthorized if it is not valid."""
        key = (await Authenticator(self._database).authenticate(secret)).key
        return own_key(key, await use_today(self._database, key))

    # Prompts

    async def create_prompt(self, new: NewPrompt) -> PromptInfo:
        """Create a prompt."""
        return prompt_info(await self._database.create_prompt(new.name.strip(), new.prompt, new.version))

    async def list_prompts(self, after: str = "", limit: int = PAGE) -> list[PromptInfo]:
        """Return a page of prompts after the id ``after``."""
        return [prompt_info(prompt) for prompt in await self._database.list_prompts(after=after, limit=limit)]

    async def get_prompt(self, prompt_id: str) -> PromptInfo:
        """Return one prompt."""
        return prompt_info(await self._database.get_prompt(prompt_id))

    async def prompt_versions(self, prompt_id: str) -> list[PromptInfo]:
        """Return all versions of a prompt, newest first."""
        return [prompt_info(prompt) for prompt in await self._database.prompt_versions(prompt_id)]

    async def update_prompt(self, prompt_id: str, update: PromptUpdate) -> PromptInfo:
        """Change a prompt and keep the earlier version."""
        name = update.name if update.name is UNSET else update.name.strip()
        changes = PromptChanges(name=name, prompt=update.prompt, version=update.version)
        updated = await self._database.update_prompt(prompt_id, changes)
        logger.info("updated prompt %s (%s), now version %s", updated.id, updated.name, updated.version)
        return prompt_info(updated)

    async def delete_prompt(self, prompt_id: str, *, force: bool = False) -> None:
        """Delete a prompt and its versions."""
        await self._database.delete_prompt(prompt_id, force=force)
        logger.info("deleted prompt %s", prompt_id)

    async def migrate(self) -> int:
        """Replace clear keys of earlier versions by digests and return their number."""
        return await self._database.migrate()

    async def _change(self, reference: str, changes: KeyChanges) -> KeyInfo:
        key = await self._database.update_key((await self._find(reference)).id, changes)
        logger.info("changed key %s of %s: %s", key.id, key.client_name, ", ".join(set_fields(changes)) or "nothing")
        return await self._info(key)

    async def _info(self, key: ApiKey, secret: str | None = None) -> KeyInfo:
        return key_info(key, await use_today(self._database, key), secret)

    async def _find(self, reference: str) -> ApiKey:
        key = await find_key(self._database, reference)
        if key is None:
            raise UnknownKey
        return key


async def use_today(database: Database, key: ApiKey) -> Use:
    """Return what a key with budgets has used of this day and month."""
    return await database.use_of(key.id, day_of(time.time())) if key.budgets else Use()


def _each_once(names: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in names or ()))


def _future(at: float | datetime | None) -> float | None:
    """Return a time in Unix seconds. Raises BadRequest if it has passed."""
    seconds = None if at is None else unix_seconds(at)
    if seconds is not None and seconds <= time.time():
        raise BadRequest("expires_at lies in the past; give a later time, in Unix seconds or ISO 8601.")
    return seconds
