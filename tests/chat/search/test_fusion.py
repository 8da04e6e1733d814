"""Lists of several retrievers become one: by rank, or by scores; and passages that say the same become one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orbit import Calibration, Document
from orbit.chat.search.fusion import fuse, fuse_scores, relative
from orbit.chat.search.relevance import Relevance

EQUAL = Relevance({"dense": Calibration(0.2, 0.7), "words": Calibration(0.0, 1.0)}, {"dense": 1.0, "words": 1.0})
FULL = 10
"""Documents in a list that is cut off there."""


def found(**scores: float) -> list[Document]:
    return [Document(name, f"text of {name}", score=score) for name, score in scores.items()]


def shown(documents: Sequence[Document]) -> dict[str, float]:
    return {document.id: round(document.score or 0.0, 3) for document in documents}


def documents(names: str) -> list[Document]:
    return [Document(name, f"text of {name}") for name in names]


def ids(found: list[Document]) -> str:
    return "".join(document.id for document in found)


def test_one_list_stays_as_it_is() -> None:
    assert ids(fuse([documents("cab")])) == "cab"
    assert fuse([[]]) == []


def test_what_several_lists_have_comes_first() -> None:
    assert ids(fuse([documents("abc"), documents("xcy")])) == "caxby"


def test_ties_keep_the_order_of_the_lists() -> None:
    assert ids(fuse([documents("ab"), documents("xy")])) == "axby"


def test_two_middle_ranks_beat_one_first_rank() -> None:
    assert ids(fuse([documents("abcdefghij"), documents("zyxwvutsrj")]))[0] == "j"


def test_a_high_rank_counts_more_than_a_low_one() -> None:
    # a: 1/61 + 1/64, b: 1/62 + 1/63
    assert ids(fuse([documents("ab"), documents("xyba")])) == "abxy"


def test_a_rank_has_the_weight_that_its_authors_propose() -> None:
    # j in two lists at rank 62 weighs 2/122 and equals a first rank of 1/61; ties keep the order.
    long = "".join(chr(200 + number) for number in range(61))
    other = "".join(chr(300 + number) for number in range(61))
    assert ids(fuse([documents(long + "j"), documents(other + "j")]))[:3] == long[0] + "j" + other[0]
    assert ids(fuse([documents(long[1:] + "j"), documents(other + "j")]))[0] == "j"


def test_the_first_lists_document_is_kept() -> None:
    first, second = Document("a", "first", score=0.5), Document("a", "second", score=0.9)
    assert fuse([[first], [second]]) == [first]


def test_what_a_full_list_leaves_out_may_be_as_good_as_its_last() -> None:
    lists = {"dense": found(a=0.6), "words": found(b=0.9, c=0.85)}
    assert list(shown(fuse_scores([lists], EQUAL, 10))) == ["b", "c", "a"]  # the list is whole: it does not know a
    assert shown(fuse_scores([lists], EQUAL, 2)) == {"a": 0.825, "b": 0.45, "c": 0.425}


def test_scores_fall_from_one_document_to_the_next() -> None:
    lists = {"dense": found(a=0.7, b=0.65, c=0.6), "words": found(d=0.8, c=0.7, e=0.65)}
    scores = list(shown(fuse_scores([lists], EQUAL, 3)).values())
    assert scores == sorted(scores, reverse=True)


def test_of_several_texts_the_best_counts() -> None:
    fused = fuse_scores([{"words": found(a=0.9)}, {"words": found(b=0.6, a=0.2)}], EQUAL, FULL)
    assert shown(fused) == {"a": 0.9, "b": 0.6}


def test_equal_confidence_keeps_the_order_of_the_lists() -> None:
    lists = {"dense": found(a=0.45, b=0.7), "words": found(c=1.0, a=0.5)}
    assert list(shown(fuse_scores([lists], EQUAL, FULL))) == ["a", "b", "c"]


def test_a_document_without_a_score_is_found_with_none() -> None:
    lists = {"words": [Document("a", "first"), *found(b=0.5)]}
    assert shown(fuse_scores([lists], EQUAL, FULL)) == {"b": 0.5, "a": 0.0}
    assert shown(fuse_scores([{"words": [Document("a", "first")]}], EQUAL, 1)) == {"a": 0.0}


def test_the_same_document_of_two_retrievers_is_the_first_ones() -> None:
    lists = {"dense": [Document("a", "of vectors", score=0.7)], "words": [Document("a", "of words", score=0.4)]}
    (one,) = fuse_scores([lists], EQUAL, FULL)
    assert (one.text, one.score) == ("of vectors", 0.7)


def test_the_best_of_several_texts_keeps_its_document() -> None:
    searches = [{"words": [Document("a", text, score=score)]} for text, score in (("1", 0.5), ("2", 0.9), ("3", 0.6))]
    (one,) = fuse_scores(searches, EQUAL, FULL)
    assert (one.text, one.score) == ("2", 0.9)
    ranked = fuse_scores([{"words": found(a=0.9, b=0.1)}, {"words": found(b=0.8, a=0.2)}], EQUAL, FULL)
    assert shown(ranked) == {"a": 0.9, "b": 0.8}


def test_the_question_tells_who_can_judge_it() -> None:
    latin = Relevance(
        {"dense": Calibration(0.0, 1.0, scripts=("LATIN",)), "words": Calibration(0.0, 1.0)},
        {"dense": 1.0, "words": 1.0},
    )
    lists = {"dense": found(a=0.9), "words": found(b=0.6)}
    assert shown(fuse_scores([lists], latin, FULL, "أين؟")) == {"b": 0.6, "a": 0.0}
    assert shown(fuse_scores([lists], latin, FULL)) == {"a": 0.45, "b": 0.3}


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"a": 0.5, "b": 0.25, "c": 0.075, "d": 0.07}, {"a": 0.8, "b": 0.4, "c": 0.12}),  # 15 % of the first one's
        ({"a": 0.5, "b": 0.9}, {"a": 0.8, "b": 0.8}),  # no later one is surer than the first
        ({"a": 2.0, "b": 1.0}, {"a": 0.8, "b": 0.4}),
        ({"a": 0.0, "b": 0.5}, {"a": 0.0, "b": 0.5}),
        ({}, {}),
    ],
)
def test_scores_become_shares_of_the_first_ones_certainty(scores: dict[str, float], expected: dict[str, float]) -> None:
    assert shown(relative(found(**scores), 0.8)) == expected


def test_documents_without_scores_are_no_share_of_anything() -> None:
    bare = [Document("a", "first"), *found(b=0.5)]
    assert relative(bare, 0.8) == bare
    assert shown(relative([*found(a=0.5), Document("b", "second")], 0.8)) == {"a": 0.8}
