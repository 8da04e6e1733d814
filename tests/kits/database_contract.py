"""What every database must do. A backend's test file subclasses ``DatabaseContract`` and provides ``open_another``."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from orbit.auth.keys import new_key
from orbit.database.base import Database
from orbit.database.budgets import NAMES, Budgets, Use
from orbit.database.conversations import ConversationTurn
from orbit.database.keys import ApiKey, DuplicateKey, KeyChanges, UnknownKey
from orbit.database.prompts import DuplicatePrompt, PromptChanges, PromptInUse, SystemPrompt, UnknownPrompt
from orbit.database.secrets import digest_of
from orbit.types import Source

OPERATORS = ['{"$ne": null}', "$where", "a.b", "' OR 1=1 --", "%", "schön 🐙"]


class DatabaseContract:
    """Subclasses provide the fixture ``open_another``: a function that opens one more database on the same records."""

    @pytest.fixture
    async def database(self, open_another: Callable[[], Database]) -> AsyncIterator[Database]:
        async with open_another() as database:
            yield database

    async def make_key(self, database: Database, **fields) -> tuple[str, ApiKey]:
        secret, key = new_key(fields.pop("client_name", "client"), fields.pop("collection_name", None), **fields)
        return secret, await database.create_key(key)

    async def test_a_key_is_found_by_its_digest_and_its_id(self, database):
        prompt = await database.create_prompt("guide", "Be kind.")
        secret, key = await self.make_key(
            database,
            client_name="Ana",
            collection_name="books",
            system_prompt_id=prompt.id,
            notes="first",
            expires_at=time.time() + 1000,
            requests_per_minute=7,
            models=("large", "qwen3:4b, é"),
            budgets=Budgets(requests_per_day=5, tokens_per_month=3_000_000_000),
            groups=("hr", "board of directors"),
        )
        found = await database.find_by_digest(digest_of(secret))
        assert found == await database.get_key(key.id)
        assert found.client_name == "Ana"
        assert found.collection_name == "books"
        assert found.system_prompt_id == prompt.id
        assert found.requests_per_minute == 7
        assert found.models == ("large", "qwen3:4b, é")
        assert found.budgets == Budgets(requests_per_day=5, tokens_per_month=3_000_000_000)
        assert found.groups == ("hr", "board of directors")
        changed = await database.update_key(key.id, KeyChanges(groups=("hr",)))
        assert (changed.groups, changed.models) == (("hr",), found.models)
        assert await database.get_key(key.id) == changed
        assert found.active
        assert found.expires_at == pytest.approx(key.expires_at, abs=0.001)
        assert found.created_at == pytest.approx(time.time(), abs=60)
        assert found.hint == secret[-4:]

    async def test_unknown_keys(self, database):
        assert await database.find_by_digest("0" * 64) is None
        assert await database.find_by_digest("") is None
        for reference in ["f" * 24, "nonsense", "", *OPERATORS]:
            with pytest.raises(UnknownKey):
                await database.get_key(reference)
            with pytest.raises(UnknownKey):
                await database.update_key(reference, KeyChanges(active=False))
            with pytest.raises(UnknownKey):
                await database.delete_key(reference)
            with pytest.raises(UnknownKey):
                await database.rotate_key(reference, "1" * 64, "abcd", 0)

    async def test_the_same_secret_twice_is_refused(self, database):
        _, key = await self.make_key(database)
        with pytest.raises(DuplicateKey):
            await database.create_key(msgspec.structs.replace(key, id="a" * 24))

    async def test_a_key_for_an_unknown_prompt_is_refused(self, database):
        with pytest.raises(UnknownPrompt):
            await self.make_key(database, system_prompt_id="f" * 24)
        _, key = await self.make_key(database)
        with pytest.raises(UnknownPrompt):
            await database.update_key(key.id, KeyChanges(system_prompt_id="nonsense"))

    async def test_changes_touch_only_what_they_name(self, database):
        _, key = await self.make_key(database, client_name="Bo", notes="n", requests_per_minute=3, models=("a",))
        changed = await database.update_key(key.id, KeyChanges(active=False, requests_per_minute=None))
        assert changed == msgspec.structs.replace(key, active=False, requests_per_minute=None)
        changed = await database.update_key(key.id, KeyChanges(models=("b", "a")))
        assert changed.models == ("b", "a")
        changed = await database.update_key(key.id, KeyChanges(models=()))
        assert changed == msgspec.structs.replace(key, active=False, requests_per_minute=None, models=())
        assert await database.update_key(key.id, KeyChanges()) == changed

    async def test_a_deleted_key_is_gone(self, database):
        secret, key = await self.make_key(database)
        await database.delete_key(key.id)
        assert await database.find_by_digest(digest_of(secret)) is None
        with pytest.raises(UnknownKey):
            await database.delete_key(key.id)

    async def test_listing_is_paged_and_complete(self, database):
        made = [(await self.make_key(database, client_name=f"c{number}"))[1] for number in range(25)]
        pages, after = [], ""
        while page := await database.list_keys(after=after, limit=10):
            pages.append(page)
            after = page[-1].id
        assert [len(page) for page in pages] == [10, 10, 5]
        listed = [key.id for page in pages for key in page]
        assert sorted(listed) == listed
        assert set(listed) == {key.id for key in made}
        assert [key.id async for key in database.all_keys()] == listed
        assert await database.list_keys(after="zzz") == []

    async def test_a_rotated_key_has_both_secrets_for_the_grace_time(self, database):
        old, key = await self.make_key(database)
        until = time.time() + 100
        await database.rotate_key(key.id, "1" * 64, "1111", until)
        rotated = await database.rotate_key(key.id, "2" * 64, "2222", until + 1)
        assert (rotated.id, rotated.digest, rotated.hint) == (key.id, "2" * 64, "2222")
        assert {secret.digest for secret in rotated.former} == {key.digest, "1" * 64}
        for digest in (digest_of(old), "1" * 64, "2" * 64):
            assert await database.find_by_digest(digest) == rotated
        assert rotated.valid_until("2" * 64) is None
        assert rotated.valid_until("1" * 64) == pytest.approx(until + 1, abs=0.001)
        assert rotated.valid_until("3" * 64) == 0
        assert (await database.list_keys())[0] == rotated

    async def test_secrets_past_their_grace_time_are_forgotten(self, database):
        _, key = await self.make_key(database)
        await database.rotate_key(key.id, "1" * 64, "1111", time.time() - 1)
        rotated = await database.rotate_key(key.id, "2" * 64, "2222", time.time() + 9)
        assert [secret.digest for secret in rotated.former] == ["1" * 64]

    async def test_a_secret_of_another_key_cannot_be_taken(self, database):
        _, one = await self.make_key(database)
        _, other = await self.make_key(database)
        with pytest.raises(DuplicateKey):
            await database.rotate_key(one.id, other.digest, "abcd", time.time() + 9)
        await database.rotate_key(other.id, "1" * 64, "1111", time.time() + 9)
        with pytest.raises(DuplicateKey):
            await database.rotate_key(one.id, other.digest, "abcd", time.time() + 9)

    async def test_rotating_at_the_same_time_loses_no_secret(self, database, open_another):
        secret, key = await self.make_key(database)
        until = time.time() + 100
        digests = [f"{number:064d}" for number in range(10)]
        async with open_another() as other:
            await asyncio.gather(
                *((database, other)[i % 2].rotate_key(key.id, d, d[-4:], until) for i, d in enumerate(digests))
            )
            rotated = await other.get_key(key.id)
        valid = {rotated.digest} | {former.digest for former in rotated.former}
        assert valid == {digest_of(secret), *digests}

    async def test_prompts_by_id_and_name(self, database):
        prompt = await database.create_prompt("guide", "Be kind.", "2.0")
        assert (prompt.name, prompt.prompt, prompt.version) == ("guide", "Be kind.", "2.0")
        assert prompt.created_at == pytest.approx(time.time(), abs=60)
        assert await database.get_prompt(prompt.id) == await database.get_prompt_by_name("guide")
        with pytest.raises(DuplicatePrompt):
            await database.create_prompt("guide", "Other.")
        for reference in ["f" * 24, "nonsense", "", *OPERATORS]:
            with pytest.raises(UnknownPrompt):
                await database.get_prompt(reference)
            with pytest.raises(UnknownPrompt):
                await database.get_prompt_by_name(reference)
            with pytest.raises(UnknownPrompt):
                await database.update_prompt(reference, PromptChanges(name="x"))
            with pytest.raises(UnknownPrompt):
                await database.prompt_versions(reference)
            with pytest.raises(UnknownPrompt):
                await database.delete_prompt(reference)

    async def test_an_update_keeps_what_was(self, database):
        first = await database.create_prompt("guide", "One.")
        second = await database.update_prompt(first.id, PromptChanges(prompt="Two."))
        third = await database.update_prompt(first.id, PromptChanges(prompt="Three.", version="5"))
        fourth = await database.update_prompt(first.id, PromptChanges(name="leader"))
        assert [p.version for p in (first, second, third, fourth)] == ["1.0", "1.1", "5", "5"]
        versions = await database.prompt_versions(first.id)
        assert [(p.name, p.prompt) for p in versions] == [
            ("leader", "Three."),
            ("guide", "Three."),
            ("guide", "Two."),
            ("guide", "One."),
        ]
        assert versions[0] == await database.get_prompt(first.id) == await database.get_prompt_by_name("leader")
        assert [p.revision for p in versions] == [4, 3, 2, 1]
        assert all(p.created_at == versions[0].created_at for p in versions)

    async def test_an_update_without_effect_makes_no_version(self, database):
        prompt = await database.create_prompt("guide", "One.")
        assert (await database.update_prompt(prompt.id, PromptChanges(prompt="One."))).revision == 1
        assert len(await database.prompt_versions(prompt.id)) == 1

    async def test_a_prompt_cannot_take_anothers_name(self, database):
        await database.create_prompt("one", "1")
        two = await database.create_prompt("two", "2")
        with pytest.raises(DuplicatePrompt):
            await database.update_prompt(two.id, PromptChanges(name="one"))
        assert (await database.get_prompt(two.id)).name == "two"
        assert len(await database.prompt_versions(two.id)) == 1

    async def test_updating_at_the_same_time_loses_no_text(self, database, open_another):
        prompt = await database.create_prompt("guide", "start")
        texts = [f"text {number}" for number in range(10)]
        async with open_another() as other:
            await asyncio.gather(
                *(
                    (database, other)[i % 2].update_prompt(prompt.id, PromptChanges(prompt=text))
                    for i, text in enumerate(texts)
                )
            )
        versions = await database.prompt_versions(prompt.id)
        assert {p.prompt for p in versions} == {"start", *texts}
        assert [p.revision for p in versions] == list(range(11, 0, -1))

    async def test_a_prompt_in_use_is_deleted_only_by_force(self, database):
        prompt = await database.create_prompt("guide", "x")
        _, one = await self.make_key(database, client_name="one", system_prompt_id=prompt.id)
        _, two = await self.make_key(database, client_name="two", system_prompt_id=prompt.id)
        with pytest.raises(PromptInUse, match="one") as caught:
            await database.delete_prompt(prompt.id)
        assert {key.id for key in caught.value.keys} == {one.id, two.id}
        assert {key.id for key in await database.keys_with_prompt(prompt.id)} == {one.id, two.id}
        await database.delete_prompt(prompt.id, force=True)
        assert (await database.get_key(one.id)).system_prompt_id is None
        with pytest.raises(UnknownPrompt):
            await database.get_prompt(prompt.id)
        with pytest.raises(UnknownPrompt):
            await database.prompt_versions(prompt.id)

    async def test_prompts_are_listed_by_page(self, database):
        made = [(await database.create_prompt(f"p{number}", "x")).id for number in range(5)]
        first = await database.list_prompts(limit=3)
        rest = await database.list_prompts(after=first[-1].id, limit=3)
        assert {p.id for p in [*first, *rest]} == set(made)
        assert len([p async for p in database.all_prompts()]) == 5

    @pytest.mark.parametrize("value", OPERATORS)
    async def test_values_that_look_like_operators_are_data(self, database, value):
        prompt = await database.create_prompt(value, value, value)
        assert (await database.get_prompt_by_name(value)).id == prompt.id
        _, key = await self.make_key(
            database, client_name=value, collection_name=value, notes=value, system_prompt_id=prompt.id
        )
        found = await database.get_key(key.id)
        assert (found.client_name, found.collection_name, found.notes) == (value, value, value)
        changed = await database.update_key(key.id, KeyChanges(client_name=value + "!"))
        assert changed.client_name == value + "!"
        updated = await database.update_prompt(prompt.id, PromptChanges(prompt=value + "!"))
        assert (await database.get_prompt(prompt.id)) == updated
        assert await database.find_by_digest(value) is None
        assert await database.find_clear(value) is None

    async def test_a_nul_character_is_data(self, database):
        prompt = await database.create_prompt("a\x00b", "c\x00d")
        assert (await database.get_prompt_by_name("a\x00b")) == prompt
        with pytest.raises(UnknownPrompt):
            await database.get_prompt_by_name("a")

    async def test_requests_are_counted_exactly_by_all_together(self, database, open_another):
        now = time.time()
        async with open_another() as other:
            quotas = await asyncio.gather(*((database, other)[i % 2].count_request("k", 10, now) for i in range(30)))
        assert sum(quota.allowed for quota in quotas) == 10
        assert all(quota.limit == 10 and 0 < quota.reset <= 61 for quota in quotas)
        assert min(quota.remaining for quota in quotas) == 0

    async def test_counts_leave_the_window_and_are_kept_apart(self, database):
        now = time.time()
        assert (await database.count_request("k", 2, now - 75)).remaining == 1
        second = await database.count_request("k", 2, now - 30)
        third = await database.count_request("k", 2, now - 10)
        refused = await database.count_request("k", 2, now - 9)
        assert second.allowed
        assert third.allowed  # the first one has left
        assert not refused.allowed
        assert 39 <= refused.reset <= 41  # the second one leaves 61 s after it came
        assert (await database.count_request("other", 2, now)).remaining == 1

    async def test_a_request_that_was_counted_can_be_taken_back_once(self, database, open_another):
        now = time.time()
        await database.count_request("k", 2, now - 10)
        quota = await database.count_request("k", 2, now)
        async with open_another() as other:
            await asyncio.gather(*(one.uncount_request("k", quota.second) for one in (database, other)))
        await database.uncount_request("nobody", quota.second)
        assert (await database.count_request("k", 2, now)).remaining == 0
        assert not (await database.count_request("k", 2, now)).allowed

    async def test_budgets_are_exact_for_all_together(self, database, open_another):
        budgets = Budgets(requests_per_day=8, requests_per_month=11)
        await asyncio.gather(*(database.add_use("k", "2026-11-02", 1, 0) for _ in range(2)))
        async with open_another() as other:
            counted = await asyncio.gather(
                *((database, other)[i % 2].count_use("k", budgets, "2026-11-29") for i in range(30))
            )
            assert sum(allowed for allowed, _ in counted) == 8
            refused = [use for allowed, use in counted if not allowed]
            assert refused == [Use(8, 0, 10, 0)] * 22
            assert (await other.count_use("k", budgets, "2026-11-30"))[0]
            assert await other.count_use("k", budgets, "2026-11-30") == (False, Use(1, 0, 11, 0))
        assert (await database.count_use("other", budgets, "2026-11-30"))[0]

    @pytest.mark.parametrize("name", NAMES)
    async def test_a_budget_that_is_used_up_admits_nothing(self, database, name):
        day = "2026-11-30"
        await database.add_use("k", day if name.endswith("day") else "2026-11-01", 3, 3)
        assert (await database.count_use("k", Budgets(**{name: 4}), day))[0]
        used = 4 if name.startswith("requests") else 3
        assert not (await database.count_use("k", Budgets(**{name: used}), day))[0]
        assert (await database.count_use("k", Budgets(**{name: used}), "2026-12-01"))[0]

    async def test_all_processes_add_to_what_is_used(self, database, open_another):
        async with open_another() as other:
            await asyncio.gather(
                *((database, other)[i % 2].add_use("k", "2026-11-29", 1, 2**31) for i in range(20)),
            )
            await other.add_use("k", "2026-11-29", -3, 0)
            assert await database.use_of("k", "2026-11-29") == Use(17, 20 * 2**31, 17, 20 * 2**31)
        assert await database.use_of("k", "2026-12-01") == await database.use_of("nobody", "2026-11-29") == Use()

    async def test_what_is_used_is_forgotten_after_the_month_that_follows(self, database, open_another):
        for day in ("2026-10-31", "2026-11-30"):
            await database.add_use("k", day, 1, 1)
        assert set(await database.day_counts("k")) == {"2026-10-31", "2026-11-30"}
        async with open_another() as other:
            await other.add_use("k", "2026-12-01", 1, 1)
        assert set(await database.day_counts("k")) == {"2026-11-30", "2026-12-01"}

    async def test_a_deleted_key_leaves_no_use(self, database):
        _, key = await self.make_key(database, budgets=Budgets(tokens_per_day=5))
        await database.add_use(key.id, "2026-11-29", 1, 1)
        changed = await database.update_key(key.id, KeyChanges(tokens_per_day=None, requests_per_month=9))
        assert changed.budgets == Budgets(requests_per_month=9)
        await database.delete_key(key.id)
        assert await database.day_counts(key.id) == {}

    async def test_a_session_keeps_its_turns_in_order(self, database, open_another):
        _, key = await self.make_key(database)
        source = Source(1, "d", "Title", "file.md", "https://x", 0.5, "passage\x00 🐙")
        now = time.time()
        turns = [ConversationTurn(f"q{number}", f"a{number}", now + number, (source,), "{}") for number in range(3)]
        async with open_another() as other:
            for number, turn in enumerate(turns):
                await (database, other)[number % 2].add_turn(key.id, "s", turn, 20)
            found = await other.conversation_turns(key.id, "s", now - 1)
        assert [(turn.question, turn.answer, turn.sources) for turn in found] == [
            (turn.question, turn.answer, turn.sources) for turn in turns
        ]
        assert [turn.at for turn in found] == pytest.approx([turn.at for turn in turns], abs=0.001)
        assert [turn.question for turn in await database.conversation_turns(key.id, "s", now + 0.5)] == ["q1", "q2"]

    async def test_a_session_keeps_its_last_turns_only(self, database):
        _, key = await self.make_key(database)
        now = time.time()
        for number in range(5):
            await database.add_turn(key.id, "s", ConversationTurn(f"q{number}", "a", now + number), 3)
            await database.add_turn(key.id, "other", ConversationTurn("q", "a", now + number), 9)
        assert [turn.question for turn in await database.conversation_turns(key.id, "s", 0)] == ["q2", "q3", "q4"]
        assert len(await database.conversation_turns(key.id, "other", 0)) == 5

    async def test_a_turn_replaces_the_last_ones(self, database):
        _, key = await self.make_key(database)
        now = time.time()

        async def questions_after(number, keep, replaces):
            await database.add_turn(key.id, "s", ConversationTurn(f"q{number}", "a", now + number), keep, replaces)
            return [turn.question for turn in await database.conversation_turns(key.id, "s", 0)]

        await database.add_turn(key.id, "other", ConversationTurn("q", "a", now), 9)
        assert await questions_after(0, 9, 3) == ["q0"]
        assert await questions_after(1, 9, 0) == ["q0", "q1"]
        assert await questions_after(2, 9, 1) == ["q0", "q2"]
        assert await questions_after(3, 9, 0) == ["q0", "q2", "q3"]
        assert await questions_after(4, 2, 1) == ["q2", "q4"]
        assert await questions_after(5, 2, 9) == ["q5"]
        assert len(await database.conversation_turns(key.id, "other", 0)) == 1

    async def test_a_session_is_its_keys_own(self, database):
        (_, mine), (_, theirs) = await self.make_key(database), await self.make_key(database)
        await database.add_turn(mine.id, "s", ConversationTurn("mine", "a", time.time()), 20)
        assert await database.conversation_turns(theirs.id, "s", 0) == []
        assert not await database.delete_conversation(theirs.id, "s")
        await database.add_turn(theirs.id, "s", ConversationTurn("theirs", "a", time.time()), 1)
        assert [turn.question for turn in await database.conversation_turns(mine.id, "s", 0)] == ["mine"]
        assert await database.delete_conversation(mine.id, "s")
        assert not await database.delete_conversation(mine.id, "s")
        assert await database.conversation_turns(mine.id, "s", 0) == []
        assert [turn.question for turn in await database.conversation_turns(theirs.id, "s", 0)] == ["theirs"]

    async def test_turns_of_a_session_at_the_same_time_are_all_kept(self, database, open_another):
        _, key = await self.make_key(database)
        now = time.time()
        async with open_another() as other:
            await asyncio.gather(
                *(
                    (database, other)[number % 2].add_turn(
                        key.id, "s", ConversationTurn(f"q{number}", f"a{number}", now), 50
                    )
                    for number in range(20)
                )
            )
        found = await database.conversation_turns(key.id, "s", now - 1)
        assert sorted((turn.question[1:], turn.answer[1:]) for turn in found) == sorted(
            (str(number), str(number)) for number in range(20)
        )

    async def test_a_session_outlives_its_keys_rotation_but_not_its_deletion(self, database):
        _, key = await self.make_key(database)
        await database.add_turn(key.id, "s", ConversationTurn("q", "a", time.time()), 20)
        await database.rotate_key(key.id, "1" * 64, "1111", 0)
        assert len(await database.conversation_turns(key.id, "s", 0)) == 1
        await database.delete_key(key.id)
        assert await database.conversation_turns(key.id, "s", 0) == []
        with pytest.raises(UnknownKey):
            await database.add_turn(key.id, "s", ConversationTurn("q", "a", time.time()), 20)
        assert await database.conversation_turns(key.id, "s", 0) == []

    async def test_old_turns_are_forgotten(self, database):
        _, key = await self.make_key(database)
        now = time.time()
        for age in (300, 200, 100):
            await database.add_turn(key.id, "s", ConversationTurn(f"{age}", "a", now - age), 20)
        assert await database.forget_turns(now - 150) == 2
        assert [turn.question for turn in await database.conversation_turns(key.id, "s", 0)] == ["100"]
        assert await database.forget_turns(now - 150) == 0

    @pytest.mark.parametrize("value", OPERATORS)
    async def test_sessions_that_look_like_operators_are_data(self, database, value):
        _, key = await self.make_key(database)
        await database.add_turn(key.id, "s", ConversationTurn("q", "a", time.time()), 20)
        assert await database.conversation_turns(key.id, value, 0) == []
        assert await database.conversation_turns(value, "s", 0) == []
        assert not await database.delete_conversation(key.id, value)
        await database.add_turn(key.id, value, ConversationTurn(value, value, time.time()), 20)
        (found,) = await database.conversation_turns(key.id, value, 0)
        assert (found.question, found.answer) == (value, value)

    async def test_changes_are_announced_and_new_records_are_not(self, database):
        before = database.generation()
        prompt = await database.create_prompt("guide", "x")
        _, key = await self.make_key(database)
        await database.count_request(key.id, 5, time.time())
        assert database.generation() == before
        seen = [before]
        for change in (
            database.update_key(key.id, KeyChanges(system_prompt_id=prompt.id)),
            database.update_prompt(prompt.id, PromptChanges(prompt="y")),
            database.rotate_key(key.id, "1" * 64, "1111", time.time() + 9),
            database.delete_prompt(prompt.id, force=True),
            database.delete_key(key.id),
        ):
            await change
            assert database.generation() not in seen
            seen.append(database.generation())

    async def test_records_survive_closing(self, database, open_another):
        _, key = await self.make_key(database)
        prompt = await database.create_prompt("guide", "x")
        async with open_another() as other:
            assert await other.get_key(key.id) == await database.get_key(key.id)
            assert isinstance(await other.get_prompt(prompt.id), SystemPrompt)
            await other.ping()
            assert (await other.health()).status == "ok"
