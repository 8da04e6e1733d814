"""Parses YAML, or says in one sentence where and why it is invalid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from orbit.errors import ConfigError

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError

MAX_BYTES = 512 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 50
"""Limits of a configuration. Beyond them the parser would need seconds, or Python's whole stack."""
_HALF = re.compile("[\ud800-\udfff]")

_REPEATED = "'{0}' appears a second time; keep one of them"
_SENTENCES = (
    (r"found character '\\t'", "there is a tab; indent YAML with spaces"),
    (r"found character '(.)'", "a text that begins with {0} needs quotes"),
    (r"found undefined alias", "a text that begins with * needs quotes"),
    (r'found duplicate key "(.*?)" with', _REPEATED),
    (
        r"mapping values are not allowed",
        (
            "there is a colon where none is expected. The lines of one section begin in the same column, a "
            "section's name ends with a colon, and a text with ': ' in it needs quotes"
        ),
    ),
    (r"could not find expected ':'", "this line has no colon; write settings as 'name: value'"),
    (r"expected <block end>", "the line does not begin in the same column as the rest of its section"),
    (r"found unexpected end of stream", "a quote opens here and never closes"),
    (
        r"but found another document",
        "a second document begins here; a configuration is one document, without '---' inside",
    ),
    (
        r"found unhashable key",
        "a section is used as a name here; write a variable as ${{NAME}}, and quote a text that contains {{ or [",
    ),
    (
        r"could not determine a constructor for the tag '(![\w.-]*)'",
        "the tag {0} is not supported; write a variable as ${{NAME}}, a file as ${{file:PATH}}",
    ),
    (r"could not determine a constructor for the tag", "tags such as !!python/object are not supported"),
)
"""Messages of the parser -> explanations for people new to YAML. They contain no values: some are secret."""


class Repeated(NamedTuple):
    """A key that a section has twice, and where the second one is."""

    where: str
    key: str

    @property
    def refusal(self) -> str:
        """The sentence for files in which no key may appear twice."""
        return f"{self.where}: this is not valid YAML: {_REPEATED.format(self.key)}."


def read_yaml(file: Path, repeated: list[Repeated] | None = None) -> Any:
    """Return the content of a YAML file. Raises ConfigError with a sentence if it cannot be read or parsed.

    Given a list, adds the keys that appear twice instead of refusing them; the last one counts.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"{file}: is larger than {MAX_BYTES // 1024} KiB, the limit for a configuration. Put long texts and "
            "lists into separate files, such as safety.block_file."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: cannot be read: it is not UTF-8 text. Save it as UTF-8.") from error
    return parse_yaml(text, str(file), repeated)


def parse_yaml(text: str, source: str, repeated: list[Repeated] | None = None) -> Any:
    """Return the content of a text in YAML 1.2. Raises ConfigError with the line and column of a mistake.

    Given a list, adds the keys that appear twice instead of refusing them; the last one counts.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415  # slow to import, and only needed here
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415  # the same
    from ruamel.yaml.reader import ReaderError  # noqa: PLC0415  # the same

    try:
        _see_that_it_is_small(YAML(typ="safe", pure=True).parse(text), source)
        yaml = YAML(typ="safe", pure=True)
        if repeated is not None:
            yaml.Constructor = _constructor(repeated, source)
        return yaml.load(text)
    except MarkedYAMLError as error:
        raise ConfigError(f"{_where(error, source)}: this is not valid YAML: {_why(error)}.") from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = f"U+{ord(text[error.position]):04X}"
        raise ConfigError(
            f"{source}, line {line}: this is not valid YAML: it contains the character {character}."
        ) from (error)
    except YAMLError as error:
        raise ConfigError(f"{source}: this is not valid YAML: {' '.join(str(error).split())}.") from error
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        # Values that only look like dates, numbers or booleans: ruamel passes on Python's own exceptions for them.
        sentence = "it contains an invalid number, date or tag; put it in quotes if you mean it as text"
        raise ConfigError(f"{source}: this is not valid YAML: {sentence}.") from error


def _constructor(repeated: list[Repeated], source: str) -> type:
    """Return a constructor of values for which the last of equal keys counts."""
    from ruamel.yaml.constructor import SafeConstructor  # noqa: PLC0415  # slow to import, and only needed here

    class LastCounts(SafeConstructor):
        @override
        def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
            if key in mapping:
                mark = key_node.start_mark
                repeated.append(Repeated(f"{source}, line {mark.line + 1}, column {mark.column + 1}", str(key)))
            return True

    return LastCounts


def _see_that_it_is_small(events: Any, source: str) -> None:
    """Raise ConfigError if building the values would take too long or would never end.

    Parsing to events takes constant stack and linear time.
    """
    size = _Size()
    for event in events:
        if problem := size.problem_after(event):
            raise ConfigError(f"{source}, line {event.start_mark.line + 1}: {problem}.")


class _Size:
    """Counts the values of a document from its events. An alias counts as everything that it refers to."""

    def __init__(self) -> None:
        self._values = 0
        self._sizes: dict[str, int] = {}
        self._open: list[tuple[str | None, int]] = []

    def problem_after(self, event: Any) -> str:
        """Add an event. Return why the document cannot be used, or an empty text."""
        from ruamel.yaml.events import (  # noqa: PLC0415
            AliasEvent,
            CollectionEndEvent,
            CollectionStartEvent,
            NodeEvent,
            ScalarEvent,
        )

        if isinstance(event, CollectionEndEvent):
            anchor, before = self._open.pop()
            if anchor is not None:
                self._sizes[anchor] = self._values - before
            return ""
        self._values += isinstance(event, NodeEvent)
        if isinstance(event, ScalarEvent) and _HALF.search(event.value):
            return "an escape such as \\ud800 is half a character; write the whole one"
        if isinstance(event, AliasEvent):
            if any(anchor == event.anchor for anchor, _ in self._open):
                return f"'*{event.anchor}' contains itself; remove the loop"
            self._values += self._sizes.get(event.anchor, 0)
        elif isinstance(event, CollectionStartEvent):
            self._open.append((event.anchor, self._values))
        if self._values > MAX_VALUES:
            return f"there are more than {MAX_VALUES} values up to here, including those of aliases"
        return f"this is nested more than {MAX_DEPTH} levels deep" if len(self._open) > MAX_DEPTH else ""


def _where(error: MarkedYAMLError, source: str) -> str:
    problem = error.problem or ""
    unclosed = "end of stream" in problem
    mark = error.context_mark if unclosed and error.context_mark else error.problem_mark
    return f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source


def _why(error: MarkedYAMLError) -> str:
    problem = error.problem or error.context or "it cannot be read"
    for pattern, sentence in _SENTENCES:
        if found := re.search(pattern, problem, re.DOTALL):
            return sentence.format(*found.groups())
    return " ".join(problem.split())
