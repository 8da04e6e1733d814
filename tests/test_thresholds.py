"""What relevance_threshold and confidence_threshold leave of a result."""

import pytest

import orbit
from orbit.thresholds import Thresholds, good_enough

FOUND = [orbit.Document(id=str(score), text="", score=score) for score in (0.9, 0.8, 0.5, 0.3, 0.1)]


@pytest.mark.parametrize(
    ("relevance", "confidence", "scores"),
    [
        (0.0, 0.0, [0.9, 0.8, 0.5, 0.3, 0.1]),
        (0.5, 0.0, [0.9, 0.8, 0.5]),
        (0.0, 0.9, [0.9, 0.8, 0.5, 0.3, 0.1]),
        (0.0, 0.91, []),
        (0.95, 0.0, []),
        (None, None, [0.9, 0.8, 0.5, 0.3]),
    ],
)
def test_thresholds(relevance: float | None, confidence: float | None, scores: list[float]) -> None:
    thresholds = Thresholds(relevance_threshold=relevance, confidence_threshold=confidence)
    assert [document.score for document in good_enough(FOUND, thresholds, compared=False)] == scores


def test_a_doubtful_best_passage_is_not_returned() -> None:
    assert good_enough(FOUND[4:], Thresholds(), compared=False) == []
    assert good_enough([orbit.Document(id="1", text="")], Thresholds(), compared=False) == []
    assert good_enough([], Thresholds(confidence_threshold=0.0), compared=False) == []


def test_where_the_host_compares_scores_only_configured_thresholds_hold() -> None:
    assert good_enough(FOUND, Thresholds(), compared=True) == FOUND
    assert good_enough(FOUND, Thresholds(relevance_threshold=0.6), compared=True) == FOUND[:2]
    assert good_enough(FOUND, Thresholds(confidence_threshold=0.95), compared=True) == []
