"""``orbit migrate``: what an operator of the earlier ORBIT needs once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orbit.config.earlier import Translation

_LEFT_OUT = "Left out, because ORBIT has no counterpart:"


@click.group()
def migrate() -> None:
    """Move from the earlier ORBIT. docs/migration.md describes every step."""


@migrate.command("config")
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def config(old: Path) -> None:
    """Write the configuration OLD in today's form to standard output, with comments on what changed.

    Imported files become part of it, and references such as ${NAME} stay references. Use another name for the new
    file: `orbit migrate config OLD > NEW`.
    """
    from orbit.config.environment import environment
    from orbit.config.load import parse_config, translated
    from orbit.config.yaml_text import Repeated, parse_yaml, read_yaml
    from orbit.errors import ConfigError, Problem
    from orbit.sanitize import printable

    repeated: list[Repeated] = []
    data = read_yaml(old, repeated)
    if not isinstance(data, dict) or not data:
        raise ConfigError(f"{old}: must be a mapping of sections, such as 'general:'.")
    problems: list[Problem] = []
    translation = translated(data, old.parent, problems, repeated)
    if problems:
        raise ConfigError(problems)
    text = _yaml(translation, old.name)
    click.echo(text, nl=False)
    _, problems = parse_config(parse_yaml(text, "the new file"), "the new file", environment(old.parent), old.parent)
    for problem in problems:
        click.echo(f"The new file has a problem: {printable(str(problem))}", err=True)
    if translation.without:
        click.echo(f"{_LEFT_OUT} {printable(translation.without)}.", err=True)


def _yaml(translation: Translation, source: str) -> str:
    """Return the text of a configuration, with the notices before the sections that they concern."""
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    from orbit.sanitize import printable

    document = CommentedMap({name: _readable(value) for name, value in translation.data.items()})
    document.yaml_set_start_comment(f"Written by `orbit migrate config` from {printable(source)}.\n")
    for name in document:
        lines = [_wrapped(notice.text) for notice in translation.notices if notice.section == name]
        document.yaml_set_comment_before_after_key(name, before="\n".join(["", *lines]))
    out = StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.dump(document, out)
    general = [notice.text for notice in translation.notices if notice.section not in document]
    if translation.without:
        general.append(f"{_LEFT_OUT} {translation.without}.")
    rest = "".join(f"\n# {line}" for text in general for line in _wrapped(text).splitlines())
    return out.getvalue() + (f"{rest}\n" if rest else "")


def _wrapped(text: str) -> str:
    import textwrap

    from orbit.sanitize import printable

    return "\n".join(textwrap.wrap(printable(text), 108, break_long_words=False, break_on_hyphens=False))


def _readable(value: object) -> object:
    """Return a value with texts of several lines as blocks."""
    from ruamel.yaml.scalarstring import LiteralScalarString

    if isinstance(value, dict):
        return {key: _readable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_readable(entry) for entry in value]
    if isinstance(value, str) and "\n" in value and not any(line.endswith(" ") for line in value.splitlines()):
        return LiteralScalarString(value)
    return value
