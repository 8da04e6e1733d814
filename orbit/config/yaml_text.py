"""YAML as a person wrote it: parsed, or told in one sentence where and why it cannot be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orbit.errors import ConfigError

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError

_SENTENCES = (
    (r"found character '\\t'", "a tab stands here; YAML is indented with spaces"),
    (r"found character '(.)'", "a text that begins with {0} needs quotes"),
    (r"found undefined alias", "a text that begins with * needs quotes"),
    (r'found duplicate key "(.*?)" with', "'{0}' stands here a second time; keep one of them"),
    (
        r"mapping values are not allowed",
        (
            "there is a colon where none is expected. The lines of one section begin in the same column, "
            "a section's name ends with a colon, and a text with ': ' in it needs quotes"
        ),
    ),
    (r"could not find expected ':'", "a line without a colon; a setting is 'name: value'"),
    (r"expected <block end>", "the line does not begin in the same column as those it belongs to"),
    (r"found unexpected end of stream", "a quote is opened here and never closed"),
)
"""What the parser says, and what that means to somebody new to YAML. Values are not told: some are secret."""


def parse_yaml(text: str, source: str) -> Any:
    """Return what a text in YAML 1.2 says. Raises ConfigError with the line and column of a mistake."""
    from ruamel.yaml import YAML  # noqa: PLC0415  # slow to import, and only needed here
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415  # the same

    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        raise ConfigError(f"{_where(error, source)}: this is not valid YAML: {_why(error)}.") from error
    except YAMLError as error:
        raise ConfigError(f"{source}: this is not valid YAML: {error}.") from error


def _where(error: MarkedYAMLError, source: str) -> str:
    unclosed = "end of stream" in (error.problem or "")
    mark = error.context_mark if unclosed and error.context_mark else error.problem_mark
    return f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source


def _why(error: MarkedYAMLError) -> str:
    problem = error.problem or error.context or "it cannot be read"
    for pattern, sentence in _SENTENCES:
        if found := re.search(pattern, problem, re.DOTALL):
            return sentence.format(*found.groups())
    return problem
