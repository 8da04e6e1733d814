"""Every retriever is asked for every text; what they find becomes one list, and rerankers put it in order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from actor_kit import PLUGINS, Actor, Finder, document, raises, returns, turn

import orbit
from orbit.chat.journal import Journal
from orbit.chat.search.retrieval import Retrieval
from orbit.config.model import RetrievalSettings, Timeouts
from orbit.errors import OrbitError, PromptTooLong, ProviderError
from orbit.testing import host

FOLLOW_UP = turn(
    "And on Sunday?",
    collection="books",
    history=(orbit.Message("user", "When does the library open?"), orbit.Message("assistant", "At nine.")),
)
WITH_CONTEXT = "When does the library open?\nAnd on Sunday?"


class Desk:
    """Two finders, two sorters, and what asks them."""

    def __init__(self, running: Any) -> None:
        self.registry = running.registry
        self.finder: Actor = running.registry["finder"]
        self.other: Actor = running.registry["other"]
        self.sorter: Actor = running.registry["sorter"]
        self.last: Actor = running.registry["last"]
        self.failures: list[tuple[str, str]] = []
        self.journal = Journal(turn())

    def retrieval(self, timeouts: Timeouts | None = None, **settings: Any) -> Retrieval:
        return Retrieval(self.registry, RetrievalSettings(**settings), timeouts or Timeouts(), self.failed)

    def failed(self, consequence: str, error: OrbitError) -> None:
        self.failures.append((consequence, str(error)))

    async def found(self, asked: Any = None, **settings: Any) -> str | None:
        documents = await self.retrieval(**settings).retrieve(asked or turn(), self.journal)
        return None if documents is None else "".join(document.id for document in documents)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    sections = {"finder": {}, "other": {"use": "finder"}, "sorter": {}, "last": {"use": "sorter"}}
    async with host({"model": {}, **sections}, tmp_path, PLUGINS) as running:
        yield Desk(running)


async def test_all_are_asked_and_their_lists_become_one(desk: Desk) -> None:
    desk.finder.acts["retrieve"] = returns([document("a"), document("b")])
    desk.other.acts["retrieve"] = returns((document("c"), document("b")))
    assert await desk.found(limit=7) == "bac"
    assert desk.finder.made("retrieve") == desk.other.made("retrieve") == [(orbit.Query("When?"), 7)]
    assert list(desk.journal.durations) == ["retrieve"]
    assert desk.failures == []


async def test_a_follow_up_is_also_searched_for_with_its_context(desk: Desk) -> None:
    assert await desk.found(FOLLOW_UP) == ""
    queries = [query for query, _ in desk.finder.made("retrieve")]
    assert queries == [orbit.Query(text, "books", FOLLOW_UP.history) for text in (FOLLOW_UP.question, WITH_CONTEXT)]


@pytest.mark.parametrize("failure", [raises(ProviderError("away.")), raises(KeyError()), returns("text"), returns([1])])
async def test_a_retriever_that_fails_refuses_the_turn_or_is_left_out(desk: Desk, failure: Any) -> None:
    desk.finder.acts["retrieve"] = failure
    desk.other.acts["retrieve"] = returns([document("a")])
    with pytest.raises(ProviderError) as raised:
        await desk.found()
    assert (raised.value.provider, raised.value.operation) == ("finder", "retrieve")
    assert await desk.found(on_error="answer_without") == "a"
    assert [consequence for consequence, _ in desk.failures] == ["answering without its documents"]
    assert desk.failures[0][1].startswith("finder could not retrieve: ")


async def test_none_means_that_every_retriever_failed(desk: Desk) -> None:
    desk.finder.acts["retrieve"] = desk.other.acts["retrieve"] = raises(ProviderError("away."))
    assert await desk.found(on_error="answer_without") is None
    assert len(desk.failures) == 2


async def test_a_collection_may_be_in_another_store(desk: Desk) -> None:
    unknown = raises(ProviderError("no such collection.", kind="not_found"))
    desk.finder.acts["retrieve"] = unknown
    desk.other.acts["retrieve"] = returns([document("a")])
    assert (await desk.found(), desk.failures) == ("a", [])
    desk.other.acts["retrieve"] = unknown
    with pytest.raises(ProviderError, match="no such collection"):
        await desk.found()


async def test_a_store_whose_embedding_model_is_missing_has_failed(desk: Desk) -> None:
    desk.finder.acts["retrieve"] = raises(ProviderError("no such model.", kind="not_found", operation="embed"))
    desk.other.acts["retrieve"] = returns([document("a")])
    with pytest.raises(ProviderError, match="no such model"):
        await desk.found()
    assert await desk.found(on_error="answer_without") == "a"
    assert len(desk.failures) == 1


async def test_a_follow_up_that_cannot_be_searched_for_does_not_spoil_the_question(desk: Desk) -> None:
    async def short_only(text: str) -> list[orbit.Document]:
        if "\n" in text:
            raise ProviderError("too odd.")
        return [document("a")]

    desk.finder.acts["retrieve"] = short_only
    assert await desk.found(FOLLOW_UP) == "a"
    assert desk.failures == [("searching for the question alone", "finder could not retrieve: too odd.")]


async def test_the_question_itself_must_be_searched_for(desk: Desk) -> None:
    async def long_only(text: str) -> list[orbit.Document]:
        if "\n" not in text:
            raise ProviderError("too odd.")
        return [document("a")]

    desk.finder.acts["retrieve"] = long_only
    with pytest.raises(ProviderError, match="too odd"):
        await desk.found(FOLLOW_UP)


async def test_a_question_that_is_too_long_is_searched_for_by_its_beginning(desk: Desk) -> None:
    async def narrow(text: str) -> list[orbit.Document]:
        if len(text) > 250:
            raise PromptTooLong("at most 250.")
        return [document("a")]

    desk.finder.acts["retrieve"] = narrow
    question = "".join(str(number % 10) for number in range(1001))
    assert await desk.found(turn(question)) == "a"
    assert [query.text for query, _ in desk.finder.made("retrieve")] == [question[:n] for n in (1001, 500, 250)]
    desk.finder.calls.clear()
    assert await desk.found(turn(question[:399])) == "a"
    assert [len(query.text) for query, _ in desk.finder.made("retrieve")] == [399, 200]


async def test_a_question_is_cut_to_200_characters_at_the_shortest(desk: Desk) -> None:
    desk.finder.acts["retrieve"] = raises(PromptTooLong("at most 5."))
    with pytest.raises(ProviderError, match="finder could not retrieve: the text is too long for it: at most 5"):
        await desk.found(turn("x" * 900))
    assert [len(query.text) for query, _ in desk.finder.made("retrieve")] == [900, 450, 225, 200]


async def test_only_the_question_is_cut_not_its_context(desk: Desk) -> None:
    async def narrow(text: str) -> list[orbit.Document]:
        if "\n" in text:
            raise PromptTooLong("too long.")
        return [document("a")]

    desk.finder.acts["retrieve"] = narrow
    assert await desk.found(FOLLOW_UP) == "a"
    assert len(desk.finder.made("retrieve")) == 2


async def test_slow_retrievers_are_left_out(desk: Desk) -> None:
    async def sleep(_: str) -> list[orbit.Document]:
        await asyncio.sleep(60)
        return []

    desk.finder.acts["retrieve"] = sleep
    retrieval = desk.retrieval(Timeouts(retrieve=0.02), on_error="answer_without")
    assert await retrieval.retrieve(turn(), desk.journal) == []
    assert desk.failures[0][1] == "finder could not retrieve: no answer within 0.02 s."


async def test_rerankers_sort_one_after_the_other(desk: Desk) -> None:
    async def reverse(documents: Any) -> Any:
        return tuple(reversed(documents))

    desk.sorter.acts["rerank"] = desk.last.acts["rerank"] = reverse
    documents = [document(letter) for letter in "abc"]
    sorted_ = await desk.retrieval(max_documents=2).rerank(FOLLOW_UP, documents, desk.journal)
    assert [item.id for item in sorted_] == ["a", "b"]
    query = orbit.Query(FOLLOW_UP.question, "books", FOLLOW_UP.history)
    assert desk.sorter.made("rerank") == [(query, ["a", "b", "c"], 2)]
    assert desk.sorter.contexts == [FOLLOW_UP.context]
    assert desk.last.made("rerank") == [(query, ["c", "b", "a"], 2)]
    assert list(desk.journal.durations) == ["rerank"]


@pytest.mark.parametrize("failure", [raises(ProviderError("away.")), raises(PromptTooLong("x")), returns(None)])
async def test_a_reranker_that_fails_keeps_the_order(desk: Desk, failure: Any) -> None:
    async def reverse(documents: Any) -> Any:
        return tuple(reversed(documents))

    desk.sorter.acts["rerank"], desk.last.acts["rerank"] = failure, reverse
    sorted_ = await desk.retrieval().rerank(turn(), [document("a"), document("b")], desk.journal)
    assert [item.id for item in sorted_] == ["b", "a"]
    assert desk.failures[0][0] == "keeping the retrieved order"
    assert desk.failures[0][1].startswith("sorter could not rerank: ")


async def test_a_rerankers_wrong_result_and_lateness_are_named(desk: Desk) -> None:
    async def sleep(_: Any) -> None:
        await asyncio.sleep(60)

    desk.sorter.acts["rerank"], desk.last.acts["rerank"] = returns(["text"]), sleep
    retrieval = desk.retrieval(Timeouts(rerank=0.02))
    assert await retrieval.rerank(turn(), [document("a")], desk.journal) == [document("a")]
    assert [sentence for _, sentence in desk.failures] == [
        (
            "sorter could not rerank: the hook returned a list of str instead of a list of Documents; "
            "this is a mistake in the plugin."
        ),
        "last could not rerank: no answer within 0.02 s.",
    ]


async def test_without_rerankers_the_best_are_kept(tmp_path: Path) -> None:
    async with host({"model": {}, "finder": {}}, tmp_path, PLUGINS) as running:
        retrieval = Retrieval(running.registry, RetrievalSettings(max_documents=1), Timeouts(), lambda *_: None)
        journal = Journal(turn())
        assert await retrieval.rerank(turn(), [document("a"), document("b")], journal) == [document("a")]
        assert (retrieval.available, journal.durations) == (True, {})


async def test_a_collection_that_nobody_can_search_refuses_the_turn(tmp_path: Path) -> None:
    failures: list[tuple[str, str]] = []
    async with host({"model": {}}, tmp_path, PLUGINS) as running:

        def made(**settings: Any) -> Retrieval:
            note = lambda consequence, error: failures.append((consequence, str(error)))  # noqa: E731
            return Retrieval(running.registry, RetrievalSettings(**settings), Timeouts(), note)

        assert not made().available
        made().require(turn())
        with pytest.raises(ProviderError, match="the collection 'books' cannot be searched") as raised:
            made().require(turn(collection="books"))
        assert (raised.value.kind, raised.value.operation) == ("not_found", "retrieve")
        made(on_error="answer_without").require(turn(collection="books"))
    assert [consequence for consequence, _ in failures] == ["answering without its documents"]


async def test_with_a_retriever_every_collection_may_be_searched(desk: Desk) -> None:
    desk.retrieval().require(turn(collection="books"))
    assert desk.failures == []


async def test_a_text_answers_when_something_was_searched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    respond = desk.retrieval(on_nothing_found="respond")
    assert not respond.responds(turn())
    assert respond.responds(turn(collection="books"))
    assert not desk.retrieval(on_nothing_found="answer_without").responds(turn(collection="books"))
    monkeypatch.setattr(Finder, "collection", "default")
    assert desk.retrieval(on_nothing_found="respond").responds(turn())


async def test_a_question_is_searched_as_a_person_typed_it(desk: Desk) -> None:
    asked = turn("<attached_files>\n</attached_files>\n\nWhat does it cost?", collection="books")
    await desk.retrieval().search(asked)
    assert [query.text for query, _ in desk.finder.made("retrieve")] == ["What does it cost?"]


async def test_no_text_answers_for_a_client_whose_tools_may_have_the_answer(desk: Desk) -> None:
    respond = desk.retrieval(on_nothing_found="respond")
    options = orbit.GenerateOptions(tools=(orbit.Tool("clock"),))
    assert not respond.responds(turn(collection="books", options=options))
    forbidden = msgspec.structs.replace(options, tool_choice=orbit.ToolChoice("none"))
    assert respond.responds(turn(collection="books", options=forbidden))


async def test_a_search_is_what_a_prompt_would_have(desk: Desk) -> None:
    desk.finder.acts["retrieve"] = returns([document("a"), document("b")])

    async def reverse(documents: Any) -> Any:
        return tuple(reversed(documents))

    desk.sorter.acts["rerank"] = reverse
    assert [item.id for item in await desk.retrieval(max_documents=1).search(turn())] == ["b"]
    desk.sorter.calls.clear()
    desk.finder.acts["retrieve"] = returns([])
    assert await desk.retrieval().search(turn()) == []
    assert desk.sorter.made("rerank") == []


async def test_a_search_of_a_collection_that_nobody_has_is_refused(tmp_path: Path) -> None:
    async with host({"model": {}}, tmp_path, PLUGINS) as running:
        retrieval = Retrieval(running.registry, RetrievalSettings(), Timeouts(), lambda *_: None)
        with pytest.raises(ProviderError, match=r"no provider that retrieves is running; enable one, for example with"):
            await retrieval.search(turn(collection="books"))


async def test_a_follow_up_may_be_rewritten(desk: Desk) -> None:
    asked = []

    class Rewriter:
        async def rewritten(self, asking: Any) -> str:
            asked.append(asking)
            return "When does it open on Sunday?"

    rewriter: Any = Rewriter()
    retrieval = Retrieval(desk.registry, RetrievalSettings(), Timeouts(), desk.failed, "", rewriter)
    await retrieval.retrieve(FOLLOW_UP, desk.journal)
    await retrieval.retrieve(turn(), desk.journal)
    texts = [query.text for query, _ in desk.finder.made("retrieve")]
    assert (texts, asked) == ([FOLLOW_UP.question, "When does it open on Sunday?", "When?"], [FOLLOW_UP])


class Sure(Finder):
    """A finder whose scores have a scale: certain at 1."""

    def calibration(self, hook: str) -> orbit.Calibration | None:
        return orbit.Calibration(0.0, 1.0) if hook == "retrieve" else None


@pytest.fixture
async def scored(tmp_path: Path) -> AsyncIterator[Desk]:
    sections = {"finder": {"use": "sure"}, "other": {"use": "sure"}, "sorter": {}, "last": {"use": "sorter"}}
    async with host({"model": {}, **sections}, tmp_path, {**PLUGINS, "sure": Sure}) as running:
        made = Desk(running)
        made.finder.acts["retrieve"] = returns([document("a", 0.9), document("b", 0.6)])
        made.other.acts["retrieve"] = returns([document("c", 0.8), document("b", 0.8)])
        yield made


async def test_lists_with_known_scores_are_merged_by_them(scored: Desk) -> None:
    retrieval = scored.retrieval()
    assert retrieval.has_certainty
    found = await retrieval.retrieve(turn(), scored.journal)
    assert found is not None
    assert [item.id for item in found] == ["b", "a", "c"]
    best = found[0].score or 0.0
    assert 0.9 < best < 1.0  # the certainty that the best list answers
    assert [round((item.score or 0.0) / best, 3) for item in found] == [1.0, 0.643, 0.571]  # of 0.7, 0.45 and 0.4
    assert all(query.compared for query, _ in scored.finder.made("retrieve"))


async def test_lists_without_scales_are_not_compared(desk: Desk) -> None:
    assert not desk.retrieval().has_certainty
    await desk.found()
    assert not desk.finder.made("retrieve")[0][0].compared


@pytest.mark.parametrize(
    ("settings", "collection", "found"),
    [
        ({}, None, "bac"),
        ({"threshold": 0.999}, None, ""),
        ({"threshold": 0.999, "thresholds": {"books": 0.1}}, "books", "bac"),
        ({"thresholds": {"books": 0.999}}, "books", ""),
        ({"thresholds": {"books": 0.999}}, "others", "bac"),
    ],
)
async def test_what_is_not_good_enough_is_not_found(
    scored: Desk, settings: dict[str, Any], collection: str | None, found: str
) -> None:
    asked = turn(collection=collection) if collection else turn()
    assert await scored.found(asked, **settings) == found
    doubtful = await scored.retrieval(**settings).retrieve(asked, scored.journal, doubtful=True)
    assert doubtful is not None
    assert len(doubtful) == 3


async def test_the_default_collection_has_its_threshold(scored: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Finder, "collection", "default")
    assert await scored.found(thresholds={"default": 0.999}) == ""
    assert await scored.found(thresholds={"default": 0.1}, threshold=0.999) == "bac"


async def test_the_threshold_of_all_is_that_of_the_measurements(scored: Desk) -> None:
    weak = [document("a", 0.1)]
    scored.finder.acts["retrieve"] = scored.other.acts["retrieve"] = returns(weak)
    assert await scored.found() == ""
    scored.finder.acts["retrieve"] = scored.other.acts["retrieve"] = returns([document("a", 0.3)])
    assert await scored.found() == "a"


async def test_passages_that_say_the_same_are_one(scored: Desk, desk: Desk) -> None:
    twins = [orbit.Document("a", "Open at nine.", score=0.9), orbit.Document("b", "open at nine", score=0.9)]
    for each in (scored, desk):
        each.finder.acts["retrieve"], each.other.acts["retrieve"] = returns(twins), returns([])
        assert await each.found() == "a"


async def test_retrievers_know_who_asks(desk: Desk) -> None:
    await desk.found(FOLLOW_UP)
    assert desk.finder.contexts == [FOLLOW_UP.context] * 2
