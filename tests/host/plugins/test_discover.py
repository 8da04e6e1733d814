"""Plugins are found by the metadata of their packages, and nothing of theirs is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orbit.host.plugins.discover import FIRST_PARTY, InstalledPlugin, installed_plugins, not_installed

Install = Callable[..., Path]


def test_an_installed_plugin_is_known_without_its_import(install: Install) -> None:
    install("wiki-pages", "raise RuntimeError", "wiki", version="2.5")
    found = installed_plugins()
    assert found["wiki"] == InstalledPlugin("wiki", "wiki_pages:Plugin", "wiki-pages", "2.5")
    assert "wiki" in found
    assert "wiki_pages" not in sys.modules


def test_the_first_party_plugins_that_are_installed_come_from_their_distributions() -> None:
    found = installed_plugins()
    assert list(found) == sorted(found)
    assert len(found) == len(list(found))
    for name in FIRST_PARTY.keys() & found.keys():
        assert found[name].distribution == FIRST_PARTY[name]


def test_two_distributions_of_one_name_are_rivals(install: Install) -> None:
    install("wiki-one", "", "wiki")
    install("wiki-two", "", "wiki")
    plugin = installed_plugins()["wiki"]
    assert {plugin.distribution, *plugin.rivals} == {"wiki-one", "wiki-two"}


def test_two_versions_of_one_distribution_are_no_rivals(install: Install) -> None:
    install("wiki", "", version="1.0")
    install("wiki", "", version="1.1")
    assert installed_plugins()["wiki"].rivals == ()


def test_an_unknown_name_raises() -> None:
    with pytest.raises(KeyError):
        installed_plugins()["no-such-plugin"]


INSTALLED = {"wiki": InstalledPlugin("wiki", "wiki:Plugin", "wiki", "1")}


def test_a_missing_plugin_of_the_project_is_offered_for_installation() -> None:
    assert not_installed("chroma", INSTALLED) == (
        "the plugin 'chroma' is not installed. Install it: pip install orbit-chroma."
    )


def test_a_section_of_the_host_is_no_plugin() -> None:
    assert not_installed("general", INSTALLED).startswith("'general' is a section of the host, not a plugin.")


@pytest.mark.parametrize(
    ("name", "near"),
    [("wikki", "wiki"), ("chrona", "chroma"), ("genral", "general"), ("Postgres", "pgvector"), ("vllm", "openai")],
)
def test_a_name_with_a_slip_is_led_to_the_right_one(name: str, near: str) -> None:
    told = not_installed(name, INSTALLED)
    assert told.startswith(f"no section or plugin is named '{name}'.")
    assert f"'{near}'" in told
    assert "Installed plugins: wiki." in told


def test_without_plugins_there_are_none() -> None:
    assert "Installed plugins: none." in not_installed("wiki", {})
