"""Fusion by scores: each retriever's on its own scale, with weights, and one threshold after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import Calibration, Document, Need, Provider, Query, hookimpl
from orbit.chat.search.fusion import fuse_scores, relative
from orbit.chat.search.relevance import Relevance
from orbit.errors import PluginLoadError
from orbit.testing import serve
from orbit.testing.fakes import Bag

SCALES = {"dense": Calibration(0.2, 0.7), "words": Calibration(0.0, 1.0)}
EQUAL = Relevance(SCALES, {"dense": 1.0, "words": 1.0})
FULL = 10
"""Documents in a list that is cut off there."""


def found(**scores: float) -> list[Document]:
    """Return passages in no language."""
    return [Document(name, str(ord(name)), score=score) for name, score in scores.items()]


def shown(documents: Sequence[Document]) -> dict[str, float]:
    return {document.id: round(document.score or 0.0, 3) for document in documents}


def test_scores_are_brought_to_one_scale() -> None:
    fused = fuse_scores([{"dense": found(a=0.7, b=0.45, c=0.1), "words": found(b=0.9, d=0.4)}], EQUAL, FULL)
    assert shown(fused) == {"b": 0.7, "a": 0.5, "d": 0.2, "c": 0.0}
    assert list(shown(fused)) == ["b", "a", "d", "c"]


def test_a_weight_counts() -> None:
    light = Relevance(SCALES, {"dense": 0.25, "words": 1.0})
    fused = fuse_scores([{"dense": found(a=0.7), "words": found(b=0.9)}], light, FULL)
    assert shown(fused) == {"b": 0.72, "a": 0.2}


def test_a_retriever_without_the_collection_does_not_lower_the_confidence() -> None:
    assert shown(fuse_scores([{"dense": found(a=0.7)}], EQUAL, FULL)) == {"a": 1.0}
    assert shown(fuse_scores([{"dense": found(a=0.7), "words": []}], EQUAL, FULL)) == {"a": 0.5}


def test_a_model_does_not_count_for_scripts_that_it_has_not_learnt() -> None:
    known = Relevance(
        {"dense": Calibration(0.0, 1.0, scripts=("LATIN",)), "words": SCALES["words"]}, {"dense": 1.0, "words": 1.0}
    )
    lists = {"dense": found(a=0.9, b=0.1), "words": found(b=0.6)}
    for question, best in (("Wo parke ich?", "a"), ("أين أوقف سيارتي؟", "b"), ("42", "a")):
        assert fuse_scores([lists], known, FULL, question)[0].id == best
    assert shown(fuse_scores([{"dense": found(a=0.9)}], known, FULL, "أين؟")) == {"a": 0.9}
    unsure = fuse_scores([lists], known, FULL, "أين أوقف سيارتي؟")
    assert shown(unsure) == {"b": 0.6, "a": 0.0}, "nor does it lower what the words are sure of"


class Words(Provider):
    """A retriever that says what its scores mean."""

    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> list[Document]:
        score = {"sure": 0.9, "doubtful": 0.2}.get(query.text, 0.01)
        return [Document("w", "what the words found", score=score)]

    def calibration(self, hook: str) -> Calibration | None:
        return Calibration(0.0, 1.0) if hook == "retrieve" else None


class Dense(Provider):
    """A retriever with the scale of the embedding model."""

    def needs(self) -> list[Need]:
        return [Need("embed")]

    @hookimpl
    async def retrieve(self) -> list[Document]:
        return [Document("d", "what the vectors found", score=0.5)]


class Measured(Bag):
    """An embedding model whose scale is known."""

    def calibration(self, hook: str) -> Calibration | None:
        return Calibration(0.5, 1.0, weight=0.5) if hook == "embed" else None


class Odd(Words):
    """A scale upside down."""

    def calibration(self, hook: str) -> Calibration | None:
        return Calibration(1.0, 0.0)


PLUGINS: dict[str, type[Provider]] = {"words": Words, "dense": Dense, "measured": Measured, "odd": Odd}


def ask(config: dict[str, Any], folder: Path, *questions: str) -> list[list[tuple[str, float | None]]]:
    with serve({"echo": {}, **config}, folder, PLUGINS, "docs") as server:
        answers = [
            httpx.post(f"{server.url}/chat", json={"message": text, "stream": False}, headers={"X-API-Key": server.key})
            for text in questions
        ]
    return [
        [
            (source["text"], round(source["score"], 2) if source.get("score") else None)
            for source in one.json()["sources"]
        ]
        for one in answers
    ]


def test_one_threshold_holds_after_the_fusion(tmp_path: Path) -> None:
    config: dict[str, Any] = {"measured": {}, "dense": {}, "words": {}}
    sure, doubtful, wrong = ask(config, tmp_path, "sure", "doubtful", "wrong")
    assert sure == [("what the words found", 0.81)]
    assert doubtful == wrong == []


@pytest.mark.parametrize(
    ("retrieval", "count"),
    [
        ({"threshold": 0.05}, 0),
        ({"threshold": 0.02}, 1),
        ({"threshold": 0.05, "thresholds": {"docs": 0.02}}, 1),
        ({"threshold": 0.02, "thresholds": {"docs": 0.05}}, 0),
        ({"weights": {"dense": 0.0}, "threshold": 0.13}, 1),
        ({"weights": {"words": 0.0}, "threshold": 0.13}, 0),
    ],
)
def test_thresholds_and_weights_are_settings(retrieval: dict[str, Any], count: int, tmp_path: Path) -> None:
    config: dict[str, Any] = {"measured": {}, "dense": {}, "words": {}, "retrieval": retrieval}
    assert len(ask(config, tmp_path, "doubtful")[0]) == count


ENGLISH = Relevance(
    {"dense": Calibration(0.2, 0.7, scripts=("LATIN",), languages=("en",)), "words": SCALES["words"]},
    {"dense": 1.0, "words": 1.0},
    frozenset({"dense"}),
)
ASKED = ("Where can I park my car?", "Wo kann ich mein Auto parken?", "أين أوقف سيارتي؟")


def test_a_model_counts_most_in_languages_that_it_knows() -> None:
    dense = [ENGLISH.certainty({"dense": found(a=0.7), "words": []}, text, FULL) for text in ASKED]
    words = [ENGLISH.certainty({"dense": [], "words": found(a=0.9)}, text, FULL) for text in ASKED]
    assert dense == sorted(dense, reverse=True)
    assert words == sorted(words)


BOTH = Relevance(
    {"dense": Calibration(0.2, 0.7, scripts=("LATIN", "CYRILLIC")), "words": SCALES["words"]},
    {"dense": 1.0, "words": 1.0},
    frozenset({"dense"}),
)
GARAGE = "You can park in the garage under the building, which is open from 7 to 22."


@pytest.mark.parametrize("question", ["Wo kann ich mein Auto parken?", "Где оставить машину?"])
def test_missing_words_say_little_where_passages_are_in_another_known_language(question: str) -> None:
    lists: dict[str, list[Document]] = {"dense": [Document("a", GARAGE, score=0.4)], "words": []}
    asked = {text: BOTH.certainty(lists, text, FULL, GARAGE) for text in (ASKED[0], question)}
    assert asked[question] > asked[ASKED[0]] + 0.2
    assert ENGLISH.certainty(lists, question, FULL, GARAGE) < asked[question] - 0.1, "a model of one language"
    alone: dict[str, list[Document]] = {"dense": lists["dense"]}
    answers = {BOTH.certainty(alone, text, FULL, GARAGE) for text in (ASKED[0], question)}
    assert len(answers) == 1, "no words were searched for"


HALL = "In der Halle ist das Parken nicht erlaubt, und für Besucher gibt es keinen Platz."


@pytest.mark.parametrize(
    ("relevance", "question", "similar", "best"),
    [
        (BOTH, "Wo kann ich mein Auto parken?", (0.6, 0.4), GARAGE),
        (BOTH, "Wo kann ich mein Auto parken?", (0.6, 0.5), HALL),  # of two versions, that in the question's language
        (BOTH, "Where can I park my car?", (0.6, 0.4), HALL),  # the first one could have shared its words
        (BOTH, "Auto parken 7b", (0.6, 0.4), HALL),  # words that tell no language
        (ENGLISH, "Wo kann ich mein Auto parken?", (0.6, 0.4), HALL),  # a model that does not know German
    ],
)
def test_a_clearly_more_similar_passage_in_another_language_needs_no_words(
    relevance: Relevance, question: str, similar: tuple[float, float], best: str
) -> None:
    dense = [Document(text, text, score=score) for text, score in zip((GARAGE, HALL), similar, strict=True)]
    lists = {"dense": dense, "words": [Document(HALL, HALL, score=0.5)]}
    assert fuse_scores([lists], relevance, FULL, question)[0].text == best


class Similar(Dense):
    """Finds what answers in English, and something else in German."""

    @hookimpl
    async def retrieve(self) -> list[Document]:
        return [Document(GARAGE, GARAGE, score=0.8), Document(HALL, HALL, score=0.55)]


class Literal(Words):
    """Finds the words of a German question in what does not answer it."""

    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> list[Document]:
        return [Document(HALL, HALL, score=0.5)]


def test_a_passage_in_another_language_comes_first_for_clients(tmp_path: Path) -> None:
    plugins = {**PLUGINS, "dense": Similar, "words": Literal}
    with serve({"echo": {}, "measured": {}, "dense": {}, "words": {}}, tmp_path, plugins, "docs") as server:
        body = {"message": "Wo kann ich mein Auto parken?", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
    assert [source["text"] for source in answer["sources"]] == [GARAGE, HALL]


def test_retrievers_that_agree_are_surer() -> None:
    apart = ENGLISH.certainty({"dense": found(a=0.35), "words": found(b=0.3)}, ASKED[0], FULL)
    assert ENGLISH.certainty({"dense": found(a=0.35), "words": found(a=0.3)}, ASKED[0], FULL) > apart + 0.01


def test_a_passage_that_stands_out_is_surer_than_the_same_among_equals() -> None:
    for name in ("dense", "words"):
        equals = dict.fromkeys("abcdefghij", 0.4)
        alike, ahead = ({name: found(**scores)} for scores in (equals, {**dict.fromkeys("abcdefghij", 0.2), "a": 0.4}))
        assert ENGLISH.certainty(ahead, ASKED[0], FULL) > ENGLISH.certainty(alike, ASKED[0], FULL) + 0.1


def test_what_a_short_full_list_leaves_out_may_be_as_good_as_its_last() -> None:
    cut, whole = ({"words": found(a=0.5, b=0.5)} for _ in range(2))
    assert ENGLISH.certainty(cut, ASKED[0], 2) < ENGLISH.certainty(whole, ASKED[0], FULL) - 0.1


def test_scores_beyond_the_ends_of_a_scale_still_have_an_order() -> None:
    above = fuse_scores([{"dense": found(a=0.75, b=0.9), "words": found(a=0.5, b=0.5)}], EQUAL, FULL)
    assert list(shown(above)) == ["b", "a"]
    assert shown(fuse_scores([{"dense": found(a=0.9, b=0.1)}], EQUAL, FULL)) == {"a": 1.0, "b": 0.0}


def test_one_retriever_alone_can_be_sure_and_nothing_found_never_is() -> None:
    for name, good in (("dense", 0.6), ("words", 0.8)):
        assert ENGLISH.certainty({name: found(a=good)}, ASKED[0], FULL) > 0.7
        assert ENGLISH.certainty({name: found(a=0.1)}, ASKED[0], FULL) < 0.25
        assert ENGLISH.certainty({name: []}, ASKED[0], FULL) == 0
    assert ENGLISH.certainty({}, ASKED[0], FULL) == 0


def test_scores_are_relative_to_the_best_and_far_worse_documents_go() -> None:
    assert shown(relative(found(a=0.8, b=0.4, c=0.1), 0.6)) == {"a": 0.6, "b": 0.3}
    assert shown(relative(found(a=0.0, b=0.0), 0.6)) == {"a": 0.0, "b": 0.0}
    assert relative([], 0.6) == []


def test_without_all_scales_ranks_are_fused_and_nothing_is_left_out(tmp_path: Path) -> None:
    (sources,) = ask({"bag": {}, "dense": {}, "words": {}}, tmp_path, "wrong")
    assert [text for text, _ in sources] == ["what the vectors found", "what the words found"]


def test_one_retriever_of_an_unknown_scale_keeps_its_scores(tmp_path: Path) -> None:
    assert ask({"bag": {}, "dense": {}}, tmp_path, "x") == [[("what the vectors found", 0.5)]]


def test_vectors_alone_have_the_certainty_that_their_models_scale_gives(tmp_path: Path) -> None:
    config: dict[str, Any] = {"measured": {}, "dense": {}}
    assert ask(config, tmp_path, "x") == [[]], "0.5 is irrelevant on the scale of the model"
    ((source,),) = ask({**config, "retrieval": {"threshold": 0.01}}, tmp_path, "x")
    assert source[0] == "what the vectors found"


def test_a_scale_must_go_upwards(tmp_path: Path) -> None:
    with (
        pytest.raises(Exception, match=r"odd: calibration\('retrieve'\) gave") as failure,
        serve({"echo": {}, "odd": {}}, tmp_path, PLUGINS),
    ):
        pass
    assert isinstance(failure.value, PluginLoadError) or "upwards" in str(failure.value)
