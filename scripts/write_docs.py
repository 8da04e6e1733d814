"""Write the generated parts of the documentation. ``--check`` only lists outdated ones.

python scripts/write_docs.py [--check]
"""
# ruff: noqa: INP001  # a script, not a package

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

import orbit as public
from orbit.cli import orbit
from orbit.config.model import HostConfig
from orbit.host.plugins.discover import FIRST_PARTY, installed_plugins
from orbit.host.plugins.load import import_plugin
from orbit.host.plugins.verify import HOOKS
from orbit.host.settings_table import Setting, settings_of, with_tables
from orbit.testing import contract

ROOT = Path(__file__).resolve().parent.parent
ENABLED = ("llama_cpp", "onnx", "wordllama", "chroma", "lexical")
"""The plugins of the embedded default. Their sections are active in the example."""
CHOSEN = {"general.embedding_provider": "onnx", "fsspec.url": "/srv/handbook"}
"""Settings in the example that differ from their default."""
_HOST = re.compile(r"(<!-- host sections -->\n).*?(<!-- end of host sections -->)", re.DOTALL)
_RULES = re.compile(r"(<!-- rules -->\n).*?(<!-- end -->)", re.DOTALL)
_HOOK = re.compile(r"(<!-- hook: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def hook_signature(name: str) -> str:
    """Return the signature of a hook in ``orbit/hookspecs.py``, on one line."""
    function = HOOKS[name]
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    shown = re.sub(r"'([^']*)'", r"\1", str(inspect.signature(function)))
    return f"{'async ' if is_async else ''}def {name}{shown}"


def hook_facts(name: str) -> str:
    """Return the docstring of a hook as Markdown."""
    return (inspect.getdoc(HOOKS[name]) or "").replace("``", "`")


def hooks_page(page: str) -> str:
    """Return ``docs/hooks.md`` with the signature and the docstring of each hook between its markers."""

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        return f"{match[1]}```text\n{hook_signature(name)}\n```\n\n{hook_facts(name)}\n{match[3]}"

    return _HOOK.sub(block, page)


def host_sections(page: str) -> str:
    """Return ``docs/configuration.md`` with a heading, a sentence and a table for each section of the host."""
    parts = []
    for field in msgspec.structs.fields(HostConfig):
        about = re.sub(r"^``[\w.]+``: ", "", inspect.getdoc(field.type) or "").replace("``", "`").replace("\n", " ")
        parts.append(
            f"## Section {field.name}\n\nThe section `{field.name}`: {about}\n\n"
            f"<!-- settings: {field.type.__module__}:{field.type.__qualname__} -->\n<!-- end -->\n"
        )
    return _HOST.sub(lambda match: match[1] + "\n".join(parts) + match[2], page)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its full name: the host's, then those of first-party plugins."""
    top = click.Context(orbit, info_name="orbit")
    names = [*orbit.list_commands(top), *(name for name in sorted(FIRST_PARTY) if name in installed_plugins())]
    yield "orbit", orbit
    for name in names:
        command = orbit.get_command(top, name)
        if command is None:
            continue  # a plugin without commands
        yield f"orbit {name}", command
        if isinstance(command, click.Group):
            for below, child in command.commands.items():
                yield f"orbit {name} {below}", child


def help_of(name: str, command: click.Command) -> str:
    """Return the output of ``--help`` without plugin versions, which differ between environments."""
    context = click.Context(command, info_name=name, terminal_width=100, help_option_names=["-h", "--help"])
    return re.sub(r"\((orbit-\w+) [^)]+\)", r"(\1)", command.get_help(context)).rstrip()


def cli_page() -> str:
    """Return ``docs/cli.md``."""
    parts = [
        "# Commands\n\nAfter this page you know each command of `orbit`; `orbit COMMAND --help` prints the same.\n",
        "\n".join(f"- [`{name}`](#{name.replace(' ', '-')})" for name, _ in commands() if name.count(" ") == 1) + "\n",
    ]
    parts += [f"## {name}\n\n```text\n{help_of(name, command)}\n```\n" for name, command in commands()]
    return "\n".join(parts)


def reference_page() -> str:
    """Return ``docs/reference.md``: every public name of ``orbit``, grouped by kind."""
    names = {name: getattr(public, name) for name in public.__all__}
    kinds = {name: kind for name, kind in names.items() if isinstance(kind, type)}
    errors = {name: kind for name, kind in kinds.items() if issubclass(kind, Exception)}
    data = {name: kind for name, kind in kinds.items() if issubclass(kind, msgspec.Struct)}
    classes = {name: kind for name, kind in kinds.items() if name not in errors and name not in data}
    functions = {name: value for name, value in names.items() if inspect.isfunction(value)}
    others = {name: value for name, value in names.items() if name not in kinds and name not in functions}
    parts = [
        "# Reference\n",
        "After this page you know each name that `import orbit` has. [Hooks](hooks.md) describes the hooks, and\n\
[compatibility](compatibility.md) what may change.\n",
        "\n".join(
            f"- {title}: " + ", ".join(f"[`{name}`](#{name.lower()})" for name in found)
            for title, found in (("Classes", classes), ("Data", data), ("Errors", errors), ("Functions", functions))
        ),
        "- [Types and constants](#types-and-constants): " + ", ".join(f"`{name}`" for name in others) + "\n",
        "## Classes\n",
        *(_class_reference(name, kind) for name, kind in classes.items()),
        "## Data\n\nFrozen msgspec structs. Make them with field names, because later versions may add fields.\n",
        *(_data_reference(name, kind) for name, kind in data.items()),
        '## Errors\n\nRaise an error with its message first: `raise orbit.ProviderError("...", kind="unavailable")`.\n',
        *(_error_reference(name, kind) for name, kind in errors.items()),
        "## Functions\n",
        *(
            f"### {name}\n\n```text\n{name}{_signature(function)}\n```\n\n{_plain(function)}\n"
            for name, function in functions.items()
        ),
        "## Types and constants\n\n| name | what it is |\n|---|---|",
        "\n".join(_other_name(name, value) for name, value in others.items()) + "\n",
    ]
    return "\n".join(parts)


def _other_name(name: str, value: object) -> str:
    """Return a table row for a constant or a type alias."""
    if name == "Vectors":  # numpy's own notation differs between versions
        shown = "`NDArray[np.float32]` of shape `(number of texts, dimension)`"
    elif name == "hookimpl":
        shown = (
            "decorator that marks a method as the implementation of a hook; `@hookimpl(wrapper=True)` marks a wrapper"
        )
    elif isinstance(value, int):
        shown = f"`{value}`, the version of the plugin API that this host speaks"
    else:
        shown = f"`{str(value).removeprefix('typing.')}`".replace("|", "\\|")
    return f"| `{name}` | {shown} |"


def _plain(item: object) -> str:
    return (inspect.getdoc(item) or "").replace("``", "`")


class _Bare(str):
    """An annotation that ``inspect`` prints without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _signature(function: Any) -> str:
    """Return the signature as in the source, without module prefixes."""
    signature = inspect.signature(function)
    parameters = [
        one.replace(annotation=_Bare(one.annotation)) if isinstance(one.annotation, str) else one
        for one in signature.parameters.values()
        if one.name != "self"
    ]
    returns = signature.return_annotation
    bare = _Bare(returns) if isinstance(returns, str) else returns
    shown = str(signature.replace(parameters=parameters, return_annotation=bare))
    return re.sub(r"\b(?:orbit|collections\.abc|typing|pathlib)\.(?:\w+\.)*", "", shown)


def _methods(kind: type) -> Iterator[str]:
    """Yield a block for each public method: signature and docstring."""
    for member, value in vars(kind).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if not inspect.isfunction(function) or (member.startswith("_") and member not in ("__aenter__", "__aexit__")):
            continue
        kept = "async " if inspect.iscoroutinefunction(function) else ""
        shown = f"{kept}{member}{_signature(function)}"
        yield f"#### {kind.__name__}.{member}\n\n```text\n{shown}\n```\n\n{_plain(function)}\n"


def _class_reference(name: str, kind: type) -> str:
    """Return a class's docstring, its constructor, a table of its attributes, and its public methods."""
    lines = [f"### {name}\n", f"{_plain(kind)}\n"]
    made = vars(kind).get("__init__")
    if inspect.isfunction(made) and not getattr(kind, "_is_protocol", False):
        shown = _signature(made).removesuffix(" -> None")
        lines += [f"```text\n{name}{shown}\n```\n", f"{_plain(made)}\n" if made.__doc__ else ""]
    rows = list(_attributes(kind))
    if rows:
        lines += ["| attribute | type | meaning |", "|---|---|---|", *rows, ""]
    return "\n".join([*lines, *_methods(kind)])


def _attributes(kind: type) -> Iterator[str]:
    """Yield a row for each public attribute and property of a class."""
    meanings = _meanings(kind)
    found = {
        name: (str(annotation), meanings[name])
        for name, annotation in inspect.get_annotations(kind).items()
        if name in meanings
    }
    for name, value in vars(kind).items():
        if isinstance(value, property):
            found[name] = (str(inspect.get_annotations(value.fget).get("return", "")), _plain(value))  # type: ignore[arg-type]  # a getter there is
    for name, (annotation, meaning) in found.items():
        if not name.startswith("_"):
            shown = annotation.replace("|", "\\|")
            yield f"| `{name}` | `{shown}` | {meaning} |".replace("\n", " ")


def _data_reference(name: str, kind: type[msgspec.Struct]) -> str:
    """Return a struct's docstring, a table of its fields, and its public methods."""
    lines = [f"### {name}\n", f"{_plain(kind)}\n"]
    meanings = _meanings(kind)
    fields = msgspec.structs.fields(kind)
    if fields:
        lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
    for field in fields:
        annotation = str(inspect.get_annotations(kind).get(field.name, field.type)).replace("|", "\\|")
        default = "required" if field.required else f"`{_default_of(field)!r}`"
        lines.append(f"| `{field.name}` | `{annotation}` | {default} | {meanings[field.name]} |")
    return "\n".join([*lines, *([""] if fields else []), *_methods(kind)])


def _meanings(kind: type) -> dict[str, str]:
    """Return the docstring below each field of a class."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    found = {}
    for field, below in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            text = inspect.cleandoc(str(below.value.value))
            found[ast.unparse(field.target)] = text.replace("``", "`").replace("\n", " ")
    return found


def _error_reference(name: str, kind: type) -> str:
    """Return an error's signature and docstring."""
    made = vars(kind).get("__init__")
    shown = f"```text\n{name}{_signature(made).removesuffix(' -> None')}\n```\n\n" if made else ""
    return f"### {name}\n\n{shown}{_plain(kind)}\n"


def _default_of(field: Any) -> object:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


_MODELS = """\
# ## The models that clients may name; see docs/models.md. Without this section, every provider that generates is one.
# models:
#   ## Model for requests that name none; not needed if there is only one.
#   default: fast
#   ## Each other key is the name of a model.
#   fast:
#     ## The provider instance that answers, or a list of instances that share the load.
#     provider: ollama
#     ## The provider's name of the model; empty for the one in its section.
#     model: ""
#     ## The models that answer, in order, if no provider can.
#     fallback: []
#     ## Options for requests that do not choose their own.
#     options: {}
#     ## Only for providers that ask a model, such as judges: clients cannot name it.
#     internal: false
"""


def example_config() -> str:
    """Return ``config.yaml.example``: every setting of the host and of the first-party plugins with its default."""
    header = """\
    ## ORBIT's configuration: every setting, with its default and what it does. Copy it to config.yaml and delete what
    ## you do not change. The sections that are switched on here are those of the embedded default; to switch on
    ## another, take the "# " from its lines. See docs/configuration.md. Written by scripts/write_docs.py.
    """
    parts = [textwrap.dedent(header)]
    for field in msgspec.structs.fields(HostConfig):
        if field.name in ("mongodb", "models"):
            continue  # their presence changes what is used
        parts.append(_section(field.name, field.type))
    parts += [_section(name, settings_struct(name)) for name in ENABLED]
    switched_off = (
        "ollama",
        "openai",
        "anthropic",
        "safety",
        "reranker",
        "extract",
        "elasticsearch",
        "pgvector",
        "fsspec",
        "web",
        "ocr",
        "cache",
        "mcp",
    )
    others = [name for name in switched_off if name in installed_plugins()]
    off = {"mongodb": next(field.type for field in msgspec.structs.fields(HostConfig) if field.name == "mongodb")}
    off |= {name: settings_struct(name) for name in others}
    parts += [textwrap.indent(_section(name, struct), "# ", lambda _: True) for name, struct in off.items()]
    return "\n".join([*parts, _MODELS])


def settings_struct(plugin: str) -> type[msgspec.Struct]:
    """Return the Settings of an installed plugin."""
    return import_plugin(installed_plugins()[plugin]).Settings


def rules_page(page: str) -> str:
    """Return a page with the rules of the contract kit between its markers."""
    return _RULES.sub(lambda match: match[1] + rules() + match[2], page)


def rules() -> str:
    """Return the rules in the contracts of ``orbit.testing``: a heading per contract, a line per rule."""
    contracts = [getattr(contract, name) for name in sorted(contract.__all__)]
    contracts.sort(key=lambda kind: kind is not contract.BaseProviderContract)
    shared = {name for name in dir(contract.BaseProviderContract) if name.startswith("test_")}
    parts = []
    for kind in contracts:
        names = shared if kind is contract.BaseProviderContract else {*dir(kind)} - shared
        tests = [name for owner in kind.__mro__ for name in vars(owner) if name in names and name.startswith("test_")]
        lines = [f"- {(inspect.getdoc(getattr(kind, name)) or '').splitlines()[0]}" for name in tests]
        parts.append(f"### {kind.__name__}\n\n" + "\n".join(lines) + "\n")
    return "\n" + "\n".join(parts) + "\n"


def _section(name: str, struct: type[msgspec.Struct]) -> str:
    lines = [f"{name}:"]
    opened: tuple[str, ...] = ()
    for item in _with_chat_log(name, settings_of(struct)):
        *above, last = item.name.split(".")
        indent = "  " * (len(above) + 1)
        if tuple(above) != opened:
            lines += [f"{'  ' * (depth + 1)}{part}:" for depth, part in enumerate(above) if depth >= len(opened)]
            opened = tuple(above)
        value = CHOSEN.get(f"{name}.{item.name}", item.default)
        lines += [f"{indent}# {item.description}", f"{indent}{last}: {'' if value is None else value}".rstrip()]
    return "\n".join(lines) + "\n"


def _with_chat_log(section: str, settings: list[Setting]) -> Iterator[Setting]:
    """Replace ``logging.file`` by the settings of the plugin that reads it."""
    for item in settings:
        if (section, item.name) == ("logging", "file"):
            yield from settings_of(settings_struct("files"), "file.")
        else:
            yield item


def pages() -> dict[Path, str]:
    """Return the files that this script writes, with their content."""
    docs = ROOT / "docs"
    readmes = ROOT.glob("plugins/*/README.md")
    texts = {path: path.read_text(encoding="utf-8") for path in (*docs.glob("*.md"), *readmes)}
    written = {path: rules_page(hooks_page(with_tables(host_sections(text)))) for path, text in texts.items()}
    return {
        **written,
        docs / "cli.md": cli_page(),
        docs / "reference.md": reference_page(),
        ROOT / "config.yaml.example": example_config(),
    }


def main() -> int:
    """Write or check all pages."""
    check = "--check" in sys.argv[1:]
    importlib.invalidate_caches()
    stale = [
        (path, text) for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if not check:
            path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}: {'out of date' if check else 'written'}\n")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
