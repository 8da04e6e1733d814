"""The rules that turn a configuration of the earlier ORBIT into one of today, section by section."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from orbit.config.earlier.databases import translate_databases
from orbit.config.earlier.models import translate_models
from orbit.config.earlier.names import MARKS, SECTIONS_WITHOUT
from orbit.config.earlier.retrieval import translate_retrieval
from orbit.config.earlier.server import translate_server
from orbit.config.earlier.translation import MISSING, Translation
from orbit.system.entry_points import entries


def translate(
    data: dict[str, Any], installed: Callable[[], Iterable[str]] | None = None, missing: Iterable[str] = ()
) -> Translation:
    """Return the translation of a parsed file; its ``data`` equals ``data`` if nothing in it is of the earlier form.

    ``missing`` are imported files that do not exist. ``installed`` returns the names of plugins, by default of all
    entry points.
    """
    translation = Translation(data, installed or _installed)
    earlier = translation.earlier = is_earlier(translation)
    for name in missing:
        translation.note("general", f"import: there is no file {name}; the configuration goes on without it.")
    translate_server(translation, earlier=earlier)
    translate_databases(translation, earlier=earlier)
    plan = translate_retrieval(translation)
    translate_models(translation, plan, earlier=earlier)
    for name, way in SECTIONS_WITHOUT.items():
        if translation.get(name) is not MISSING and not translation.claimed(name):
            translation.leave_out(name, way)
    for name in [name for name, value in translation.data.items() if value == {} and data.get(name)]:
        del translation.data[name]  # everything in it became something else
    return translation


def is_earlier(translation: Translation) -> bool:
    """Whether a file has settings that only the earlier ORBIT had."""
    console = translation.get("logging.console")
    return (
        isinstance(console, dict)
        or isinstance(translation.get("elasticsearch.auth"), dict)
        or any(translation.get(mark) is not MISSING for mark in MARKS)
    )


def _installed() -> list[str]:
    return [point.name for point in entries("orbit")]
