"""Secrets of API keys: hard to guess, safe in a header, and stored as a digest only."""

import hashlib
import re

from orbit.database.secrets import MAX_SECRET_CHARS, digest_of, generate_secret, hint_of


def test_a_new_secret_is_random_and_fits_a_header() -> None:
    made = {generate_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"api_[A-Za-z0-9_-]{43}", secret) for secret in made)


def test_the_digest_is_sha256_as_earlier_versions_stored_it() -> None:
    assert digest_of("api_x") == hashlib.sha256(b"api_x").hexdigest()


def test_an_endless_secret_costs_no_more_than_the_longest() -> None:
    longest = "x" * MAX_SECRET_CHARS
    assert digest_of(longest + "y" * 10_000) == digest_of(longest)
    assert digest_of(longest) != digest_of(longest[:-1])


def test_what_is_no_text_has_a_digest_too() -> None:
    assert digest_of("api_\udcff") != digest_of("api_")


def test_the_hint_is_the_end_by_which_people_recognise_a_key() -> None:
    assert hint_of("api_0123456789") == "6789"
