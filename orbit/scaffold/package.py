"""Generates the files of a new plugin from templates."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from orbit.host.settings_table import markdown_table
from orbit.scaffold.names import HOOKS_TO_CHOOSE

_IMPORTS = {
    "collections.abc": ("AsyncIterator", "Iterable", "Mapping", "Sequence"),
    "pathlib": ("Path",),
    "types": ("TracebackType",),
    "typing": ("TYPE_CHECKING", "Annotated", "Any", "Self"),
}
"""Names used in templates -> the modules that define them. ``_MODULES`` lists the modules themselves."""
_MODULES = ("asyncio", "logging", "random", "re", "sqlite3", "threading", "zlib")


class Package(msgspec.Struct, frozen=True):
    """A plugin to generate: its name in the configuration, and its hooks."""

    name: str
    hooks: tuple[str, ...]

    @property
    def distribution(self) -> str:
        """The distribution's name for pip, and the folder's name."""
        return f"orbit-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        """The package's import name."""
        return f"orbit_{self.name}"

    @property
    def class_name(self) -> str:
        """The name of the provider's class."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def features(self) -> frozenset[str]:
        """The conditions in templates: the hooks, and features derived from them."""
        features = set(self.hooks)
        if "index" in features:
            features.add("store")  # it has its own retrieve
        elif "retrieve" in features:
            features.add("glossary")
        if "generate" not in features:
            features.add("needs_answers")
        without_settings_in_tests = {
            "generate",
            "embed",
            "store",
            "rerank",
            "log",
            "fetch",
            "read",
            "index",
            "tools",
            "needs_answers",
            "retrieve",
        }
        features.add("set" if features - without_settings_in_tests else "unset")
        return frozenset(features)


def write_package(package: Package, folder: Path) -> list[Path]:
    """Write a package into a new folder and return its files. Raises ImportError without Jinja."""
    folder.mkdir()
    written = []
    for path, template in _templates(files("orbit.scaffold") / "templates"):
        text = render(template, package)
        if not text:
            continue
        target = folder / path.replace("PACKAGE", package.module)
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    (folder / package.module / "py.typed").touch()
    readme = folder / "README.md"
    readme.write_text(readme.read_text("utf-8").replace("{{table}}\n", _table(package, folder)), encoding="utf-8")
    return written


def _table(package: Package, folder: Path) -> str:
    """Return the table of the generated settings. The package is not installed yet, so this executes its file."""
    scope = runpy.run_path(str(folder / package.module / "settings.py"))
    return markdown_table(scope[f"{package.class_name}Settings"])


def _templates(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".tmpl"):
            yield prefix + entry.name.removesuffix(".tmpl"), entry.read_text(encoding="utf-8")


def render(template: str, package: Package) -> str:
    """Render a file from its Jinja template; empty if it has no content.

    ``has("a", "b")`` is true if the package has one of the features. ``{{imports}}`` becomes the imports that the rest
    of the file needs.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  # only this command needs it

    def has(*features: str) -> bool:
        return not package.features.isdisjoint(features)

    environment = Environment(trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined)  # noqa: S701  # no HTML
    later = {"imports": "{{imports}}", "table": "{{table}}"}
    text = environment.from_string(template).render(_words(package), has=has, **later)
    if "{{imports}}" in text:
        text = text.replace("{{imports}}\n", _imports(text))
    return text if text.strip() else ""


def _words(package: Package) -> Mapping[str, str]:
    does = [f"- `{hook}` {what}." for hook, what in HOOKS_TO_CHOOSE.items() if hook in package.hooks]
    return {
        "name": package.name,
        "module": package.module,
        "distribution": package.distribution,
        "class": package.class_name,
        "does": "\n".join(does),
    }


def _imports(text: str) -> str:
    """Return imports for the names in a text, in isort's order, without those of its own package."""
    code = re.sub(r'"""[^"]*"""|#.*', "", text)
    used = set(re.findall(r"[A-Za-z_]\w*", code))
    standard = [f"import {module}\n" for module in _MODULES if re.search(rf"(?<![\w.]){module}\.", code)]
    for module, names in _IMPORTS.items():
        wanted = [name for name in names if name in used]
        if wanted:
            standard.append(f"from {module} import {', '.join(wanted)}\n")
    others = [f"import {module}\n" for module in ("msgspec", "orbit") if module in used]
    return "\n".join("".join(part) for part in (standard, others) if part)
