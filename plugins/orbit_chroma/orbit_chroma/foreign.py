"""What other programs write beside a passage: LangChain, LlamaIndex, Unstructured, Haystack. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orbit import MetadataValue

SOURCES: Final = ("source", "file_name", "filename", "file_path", "path", "url")
"""Keys for the name of the file or page, the usual one first. A path on another machine says less than a name."""
_PATHS: Final = ("file_path", "path")
PAGE: Final = "page"
_PAGES: Final = ("page_label", "page_number")
"""Keys for the page as people count it. LangChain's ``page`` begins with 0."""
_OWN: Final = "_node_"
"""Begins keys that only LlamaIndex reads."""
_NODE: Final = "_node_content"
"""All that it knows of a passage, as JSON."""
_WEB: Final = ("http://", "https://")


def source(metadata: Mapping[str, Any]) -> str:
    """Return the name of the file or page; empty if there is none."""
    return next(_texts(metadata, SOURCES), "")


def path(metadata: Mapping[str, Any]) -> str:
    """Return the whole path of the file; empty if it is unknown."""
    return next(_texts(metadata, _PATHS), "")


def title(metadata: Mapping[str, Any]) -> str:
    """Return the title; empty if there is none."""
    return next(_texts(metadata, ("title",)), "")


def link(metadata: Mapping[str, Any]) -> str:
    """Return the address that people can open; empty if there is none."""
    given = next(_texts(metadata, ("url", "link")), "")
    return given or next((name for name in _texts(metadata, SOURCES) if name.startswith(_WEB)), "")


def facts(metadata: Mapping[str, MetadataValue]) -> dict[str, MetadataValue]:
    """Return the metadata without what only the other program reads, and with the page as people count it."""
    found = {key: value for key, value in metadata.items() if not key.startswith(_OWN)}
    page = next((found[key] for key in _PAGES if found.get(key) not in (None, "")), None)
    if page is not None:
        found[PAGE] = int(page) if isinstance(page, str) and page.isdecimal() else page
    return found


def embedded_text(text: str, metadata: Mapping[str, Any]) -> str:
    """Return the text whose vector a record has: LlamaIndex embeds some of the metadata before the text."""
    try:
        node = json.loads(metadata.get(_NODE, ""))
        left_out, given = frozenset(node["excluded_embed_metadata_keys"]), node["metadata"]
        lines = [f"{key}: {value}" for key, value in given.items() if key not in left_out]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text
    return "\n\n".join(filter(None, ("\n".join(lines), text)))


def _texts(metadata: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    return (value for key in keys if isinstance(value := metadata.get(key), str) and value)
