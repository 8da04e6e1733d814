"""Finds, reads and parses the configuration file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from orbit.config.convert import as_boolean, convert_all
from orbit.config.earlier import Translation, translate, with_imports
from orbit.config.environment import environment
from orbit.config.model import Config, HostConfig, ProviderSection
from orbit.config.models import as_written, shaped, without_section
from orbit.config.references import References
from orbit.config.yaml_text import Repeated, parse_yaml, read_yaml
from orbit.errors import ConfigError, Problem

EMBEDDED = "the embedded default"
FILE_LOG = "files"
_OWN_KEYS = ("use", "enabled", "required")


class _Switches(msgspec.Struct, frozen=True):
    """The keys that the host itself reads in every provider section."""

    use: str = ""
    enabled: bool = True
    required: bool | None = None


def find_config(path: str | None) -> Path | None:
    """Return the configuration file: ``path``, else ``$ORBIT_CONFIG``, else ``./config.yaml`` if it exists.

    None means the embedded default. Raises ConfigError if a named file does not exist.
    """
    for named, origin in ((path, "--config"), (os.environ.get("ORBIT_CONFIG"), "ORBIT_CONFIG")):
        if named:
            if not Path(named).is_file():
                what = "this is a folder" if Path(named).is_dir() else "there is no such file"
                raise ConfigError(f"{named}: {what}. {origin} must name a YAML file.")
            return Path(named)
    default = Path("config.yaml")
    return default if default.is_file() else None


def load_config(path: str | None = None) -> Config:
    """Read the configuration. Raises ConfigError with every problem in the host's own sections."""
    config, problems = read_config(path)
    if problems:
        raise ConfigError(problems)
    return config


def read_config(path: str | None = None) -> tuple[Config, list[Problem]]:
    """Return the configuration and its problems. A section with problems gets its defaults.

    Raises ConfigError only if the file cannot be read as YAML at all.
    """
    file = find_config(path)
    if file is None:
        return parse_config(parse_yaml(embedded_text(), EMBEDDED), EMBEDDED, environment(Path()))
    repeated: list[Repeated] = []
    data = read_yaml(file, repeated)
    return parse_config(data, str(file), environment(file.parent), file.parent, repeated)


def embedded_text() -> str:
    """Return the YAML of the embedded default."""
    return files("orbit.config").joinpath("embedded.yaml").read_text(encoding="utf-8")


def parse_config(
    data: Any,
    source: str,
    variables: Mapping[str, str],
    folder: Path | None = None,
    repeated: Sequence[Repeated] = (),
) -> tuple[Config, list[Problem]]:
    """Convert parsed YAML to a configuration. Also return the problems in it.

    Relative paths of ``${file:PATH}`` start at ``folder``, by default the working directory. Raises ConfigError for
    keys that are ``repeated``, unless the file is one of the earlier ORBIT.
    """
    problems: list[Problem] = []
    if data is None:
        data = {}
    if not isinstance(data, dict):
        _refuse(repeated)
        return Config(source, HostConfig(), ()), [Problem(source, "must be a mapping of sections, such as 'general:'.")]
    translation = translated(data, folder, problems, repeated)
    data = References(variables, folder or Path()).resolve(translation.data, "", problems)

    own = {field.name: field for field in msgspec.structs.fields(HostConfig)}
    sections: dict[str, Any] = {}
    for name, field in own.items():
        if name in data:
            value = shaped(data[name]) if name == "models" else data[name]
            section, found = convert_all(value, field.type, name)
            problems += map(as_written, found)
            problems += without_section(data[name]) if name == "models" else ()
            if section is not None:
                sections[name] = section
    host = HostConfig(**sections)

    providers: list[ProviderSection] = []
    switched_off: set[str] = set()
    for name, where, value in _named_sections(data, host, problems):
        provider = _provider_section(name, where, value, problems)
        if provider is None:
            switched_off.add(name)
            continue
        if any(other.name == name for other in providers):  # the user cannot choose the name of the chat log
            sentence = f"is the name of the chat log; put its settings under '{where}:', or choose another name."
            problems.append(Problem(name, sentence))
            continue
        providers.append(provider)
    given = frozenset(
        f"{section}.{setting}"
        for section in sections
        for setting, value in (data[section] or {}).items()
        if value is not None
    )
    notices = tuple(notice.text for notice in translation.notices)
    config = Config(source, host, tuple(providers), given, frozenset(switched_off), notices, translation.warning)
    return config, problems


def translated(
    data: dict[Any, Any], folder: Path | None, problems: list[Problem], repeated: Sequence[Repeated] = ()
) -> Translation:
    """Return the sections with those of imported files and without names of the earlier ORBIT.

    Adds problems with imports. Raises ConfigError if an imported file is not YAML, and for keys that are ``repeated``,
    unless the file is one of the earlier ORBIT, for which the last one counted.
    """
    missing: list[str] = []
    twice = list(repeated)
    translation = translate(with_imports(data, folder or Path(), problems, missing, twice), missing=missing)
    if not translation.earlier and "import" not in data:
        _refuse(twice)
    for one in twice:
        translation.note("general", f"{one.where}: '{one.key}' appears a second time; the last one counts, as it did.")
    return translation


def _refuse(repeated: Sequence[Repeated]) -> None:
    for one in repeated:
        raise ConfigError(one.refusal)


def _named_sections(
    data: Mapping[Any, Any], host: HostConfig, problems: list[Problem]
) -> Iterator[tuple[str, str, Any]]:
    """Yield the name, path and value of each section that configures a provider."""
    rest = {str(name): value for name, value in data.items() if name not in HostConfig.__struct_fields__}
    inference = rest.pop("inference", None) or {}
    if not isinstance(inference, dict):
        problems.append(Problem("inference", "must be a mapping of provider sections."))
        inference = {}
    yield from ((name, name, value) for name, value in rest.items())
    for name, value in inference.items():
        if name not in rest:
            yield str(name), f"inference.{name}", value
        elif not isinstance(value, dict) or as_boolean(value.get("enabled")) is not False:
            problems.append(Problem(f"inference.{name}", f"the section '{name}:' exists as well; keep one of the two."))
    yield FILE_LOG, "logging.file", _chat_log(data, host)


def _chat_log(data: Mapping[Any, Any], host: HostConfig) -> Any:
    """Return the chat log's section as written; its plugin converts it."""
    logging = data.get("logging")
    written = logging.get("file") if isinstance(logging, Mapping) else None
    return written if isinstance(written, Mapping) and host.logging.file else host.logging.file


def _provider_section(name: str, path: str, value: Any, problems: list[Problem]) -> ProviderSection | None:
    """Return the instance that a section configures; None if it is disabled or not a section."""
    if value is None:
        value = {}
    if not isinstance(value, dict):
        problems.append(Problem(path, _no_section(name)))
        return None
    own, found = convert_all({key: value[key] for key in _OWN_KEYS if key in value}, _Switches, path)
    problems += found
    if own is None or not own.enabled:
        return None
    settings = {str(key): entry for key, entry in value.items() if key not in _OWN_KEYS}
    return ProviderSection(name, own.use or name, path, settings, own.required)


def _no_section(name: str) -> str:
    """Return why a top-level value is not a section. Often it is a setting that lost its indentation."""
    sections = [
        section.name
        for section in msgspec.structs.fields(HostConfig)
        if any(field.name == name for field in msgspec.structs.fields(section.type))
    ]
    if sections:
        belongs = " or ".join(f"'{section}:'" for section in sections)
        return f"is a setting, not a section; indent it below {belongs}."
    return f"must be a section of settings. If '{name}' is a plugin, '{name}: {{}}' enables it."
