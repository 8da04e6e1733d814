"""Reciprocal rank fusion."""

from orbit import Document
from orbit.chat.search.fusion import fuse


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
