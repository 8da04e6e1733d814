"""What is deprecated names the version that ends it and what to use instead."""

import pytest

from orbit.host.plugins.deprecations import DEPRECATIONS, Deprecation
from orbit.host.plugins.verify import HOOKS
from orbit.provider import Provider


@pytest.mark.parametrize(
    ("deprecation", "sentence"),
    [
        (
            Deprecation("hook", "retrieve", "0.3", "0.5", "search"),
            "Wiki.retrieve: this hook is deprecated since 0.3 and goes with 0.5; use search.",
        ),
        (
            Deprecation("argument", "retrieve", "0.3", "0.5", "query.limit", "limit"),
            "Wiki.retrieve: its argument 'limit' is deprecated since 0.3 and goes with 0.5; use query.limit.",
        ),
    ],
)
def test_the_author_reads_until_when_and_what_instead(deprecation: Deprecation, sentence: str) -> None:
    assert deprecation.sentence("Wiki.retrieve") == sentence


def test_everything_that_is_deprecated_still_exists() -> None:
    for deprecation in DEPRECATIONS:
        known = set(dir(Provider)) if deprecation.kind == "method" else set(HOOKS)
        assert deprecation.name in known, deprecation
