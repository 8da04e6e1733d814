"""The documentation cannot lag behind the code."""

import ast
import asyncio
import importlib
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import pytest
from ruamel.yaml import YAML

from orbit.config.convert import convert_all
from orbit.config.load import parse_config
from orbit.config.model import HostConfig, Mongodb
from orbit.config.models import ModelSettings, shaped
from orbit.documents import ingest_paths
from orbit.host.host import OrbitHost
from orbit.host.plugins.discover import FIRST_PARTY, installed_plugins
from orbit.host.settings_table import main as settings_table
from orbit.host.settings_table import markdown_table, settings_of
from orbit.testing import host, serve
from orbit.types import CallContext, Query

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")
API = (DOCS / "http-api.md").read_text("utf-8")
CONFIGURATION = (DOCS / "configuration.md").read_text("utf-8")
EXAMPLE = (ROOT / "config.yaml.example").read_text("utf-8")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "scripts" / "write_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


write_docs = _script()
GENERATED: dict[Path, str] = write_docs.pages()


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def yaml(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


# What follows from the code


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: str(path.relative_to(ROOT)))
def test_generated_parts_are_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == GENERATED[path], "run: .venv/bin/python scripts/write_docs.py"


def test_every_setting_is_described() -> None:
    structs = [HostConfig, *map(write_docs.settings_struct, installed_plugins())]
    for struct in structs:
        for item in settings_of(struct):
            assert item.description.endswith((".", ".)")), f"{struct.__name__}.{item.name}"


def test_every_section_has_its_table() -> None:
    for field in msgspec.structs.fields(HostConfig):
        assert f"<!-- settings: {field.type.__module__}:{field.type.__name__} -->" in CONFIGURATION
    for plugin in installed_plugins():
        struct = write_docs.settings_struct(plugin)
        if plugin in FIRST_PARTY or plugin in ("files", "reranker"):
            assert f"<!-- settings: {struct.__module__}:{struct.__qualname__} -->" in CONFIGURATION, plugin


def test_a_plugin_author_writes_the_table_of_a_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "README.md"
    page.write_text("# Mine\n\n<!-- settings: orbit.config.model:Sqlite -->\nold\n<!-- end -->\n")
    assert settings_table([str(page)]) == 1
    assert "out of date" in capsys.readouterr().out
    assert settings_table(["--write", str(page)]) == 0
    assert settings_table([str(page)]) == 0
    assert "| `path` | text | `orbit.db` |" in page.read_text()


def test_the_table_of_a_struct_of_every_kind() -> None:
    class Inner(msgspec.Struct):
        depth: int = 1

    class Outer(msgspec.Struct):
        needed: str
        inner: Inner = msgspec.field(default_factory=Inner)
        pair: tuple[float, ...] | None = None

    assert markdown_table(Outer).splitlines()[2:] == [
        "| `needed` | text | required |  |",
        "| `inner.depth` | whole number | `1` |  |",
        "| `pair` | list of number or null | `null` |  |",
    ]


# The example configuration


def test_the_example_is_the_embedded_default_with_all_settings(tmp_path: Path) -> None:
    config, problems = parse_config(yaml(EXAMPLE), "config.yaml.example", {})
    assert problems == []
    general = msgspec.structs.replace(config.host.general, embedding_provider="")
    logging = msgspec.structs.replace(config.host.logging, file={})
    assert msgspec.structs.replace(config.host, general=general, logging=logging) == HostConfig()
    assert [item.name for item in config.providers] == ["llama_cpp", "onnx", "wordllama", "chroma", "lexical", "files"]
    assert OrbitHost(config, problems).problems == ()


def test_every_section_of_the_example_has_all_settings_with_their_defaults() -> None:
    sections = yaml(re.sub(r"^# ", "", EXAMPLE, flags=re.MULTILINE))
    structs = {field.name: field.type for field in msgspec.structs.fields(HostConfig)} | {"mongodb": Mongodb}
    chat_log = sections["logging"].pop("file")
    plugins = {name: values for name, values in sections.items() if name not in structs} | {"files": chat_log}
    assert set(plugins) >= {name for name in FIRST_PARTY if name in installed_plugins()}
    models, problems = convert_all(shaped(sections["models"]), structs.pop("models"), "models")
    assert models is not None
    assert (models.default, models.named) == ("fast", {"fast": ModelSettings(provider="ollama")})
    structs |= {name: write_docs.settings_struct(name) for name in plugins}
    for name, struct in structs.items():
        values = plugins.get(name) or sections[name]
        converted, problems = convert_all(values, struct, name)
        assert problems == []
        expected = {item.name for item in settings_of(struct) if (name, item.name) != ("logging", "file")}
        assert set(_dotted(values)) >= expected
        if chosen := {"general": "embedding_provider", "fsspec": "url"}.get(name):
            assert values.pop(chosen) == write_docs.CHOSEN[f"{name}.{chosen}"]
            converted, _ = convert_all(values, struct, name)
        assert converted == struct()


def _dotted(values: dict[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in values.items():
        names.append(f"{prefix}{key}")
        if isinstance(value, dict):
            names += _dotted(value, f"{prefix}{key}.")
    return names


# The configuration page


def test_the_mistaken_configuration_prints_what_the_page_shows(tmp_path: Path) -> None:
    after = CONFIGURATION.partition("<!-- example: broken -->")[2]
    (broken, *_), (shown, *_) = fenced(after, "yaml"), fenced(after, "console")
    (tmp_path / "config.yaml").write_text(broken)
    command = [sys.executable, "-m", "orbit", "check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert shown == "$ orbit check\n" + done.stderr
    assert len(done.stderr.splitlines()) == 6


def test_other_configurations_on_the_pages_are_right() -> None:
    texts = fenced(CONFIGURATION.partition("## Checking")[0], "yaml") + fenced(README, "yaml")
    assert len(texts) >= 3
    for text in texts:
        config, problems = parse_config(yaml(text), "the page", {})
        assert [str(problem) for problem in OrbitHost(config, problems, needed=()).problems] == []


# The pages for clients


def _codes() -> set[tuple[int | None, str]]:
    """Every error code in the sources, with its status where it stands beside it."""
    found: set[tuple[int | None, str]] = set()
    for path in (ROOT / "orbit").rglob("*.py"):
        if "admin" in path.name or "admin" in path.parent.name or path.parent.name in ("database", "cli", "testing"):
            continue  # the administration has a page of its own
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                for line in node.body:
                    if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
                        targets = line.targets if isinstance(line, ast.Assign) else [line.target]
                        if [getattr(target, "id", "") for target in targets] == ["code"]:
                            found.add((None, str(line.value.value)))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RequestError":
                status, code = node.args[0], node.args[1]
                if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                    found.add((int(str(status.value)), str(code.value)))
    return found


def test_every_error_code_is_in_the_table() -> None:
    rows = {(status, code) for status, code in re.findall(r"^\| (\d+) \| `(\w+)` \|", API, re.MULTILINE)}
    inside = {"config_error", "plugin_load_error", "unreadable"}
    missing = [
        (status, code)
        for status, code in _codes()
        if code not in inside and not any(row[1] == code and status in (None, int(row[0])) for row in rows)
    ]
    assert missing == []
    kinds = {f"provider_{kind}" for kind in ("failed", "unavailable", "overloaded", "timeout", "not_found")}
    assert kinds <= {code for _, code in rows}


def test_answers_have_the_fields_that_the_page_shows(tmp_path: Path) -> None:
    whole, end = (msgspec.json.decode(text) for text in (_example("whole"), _example("streamed").split("data: ")[-1]))
    settings: dict[str, Any] = {"script": {}, "shelf": {}}
    with serve(settings, tmp_path) as server:
        url, headers = f"{server.url}/chat", {"X-API-Key": server.key}
        answer = httpx.post(url, json={"message": "x", "stream": False}, headers=headers).json()
        last = httpx.post(url, json={"message": "x"}, headers=headers).text.strip().split("data: ")[-1]
        health = httpx.get(f"{server.url}/health", headers=headers).json()
        refused = httpx.post(url, json={}, headers=headers).json()
    assert _shape(answer) == _shape(whole)
    assert _shape(msgspec.json.decode(last)) == _shape(end)
    assert health.keys() == msgspec.json.decode(_example("health")).keys()
    assert refused.keys() == msgspec.json.decode(_example("error")).keys()
    for name in _shape(whole):
        assert f"`{name}`" in API or f"`{name.rpartition('.')[2]}`" in API, name


def _example(name: str) -> str:
    return re.split(r"^```", API.partition(f"<!-- example: {name} -->")[2], flags=re.MULTILINE)[1].partition("\n")[2]


def _shape(value: Any, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        inner = [_shape(item, f"{prefix}.{key}" if prefix else key) for key, item in value.items()]
        return set().union(*inner) if inner else {prefix}
    if isinstance(value, list):
        return _shape(value[0], f"{prefix}[]") if value else {prefix}
    return {prefix}


# The README


def test_the_plugin_of_the_readme_works_and_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = fenced(README, "python")[0]
    assert len(code.splitlines()) <= 30
    (tmp_path / "orbit_shout.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    plugin = importlib.import_module("orbit_shout")
    with serve({"shout": {"mark": "!!"}}, tmp_path, {"shout": plugin.Shout}) as server:
        question = {"message": "so it works", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=question, headers={"X-API-Key": server.key})
    del sys.modules["orbit_shout"]  # other tests have a plugin of that name too
    assert answer.json()["response"] == "SO IT WORKS !!"
    entry = tomllib.loads(fenced(README, "toml")[0])["project"]["entry-points"]["orbit"]
    assert entry == {"shout": "orbit_shout:Shout"}


def test_every_first_party_plugin_is_in_the_readme() -> None:
    for name, distribution in FIRST_PARTY.items():
        if name in installed_plugins():
            assert f"| `{name}` | `{distribution}` |" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_page_is_linked_from_the_readme() -> None:
    for page in DOCS.glob("*.md"):
        assert f"(docs/{page.name})" in README, page.name


ARCHITECTURE = (DOCS / "architecture.md").read_text("utf-8")


def test_every_part_of_the_host_is_in_the_architecture() -> None:
    files = [*(ROOT / "orbit").iterdir(), *(ROOT / "orbit" / "web").iterdir()]
    for path in files:
        if path.suffix == ".py" or (path / "__init__.py").exists():
            name = path.name if path.suffix else f"{path.name}/"
            assert f"`{name}`" in ARCHITECTURE, name
    for plugin in (ROOT / "plugins").iterdir():
        assert f"`{plugin.name}`" in ARCHITECTURE


def test_every_dependency_has_its_reason_in_the_architecture() -> None:
    table = " ".join(line.split("|")[1] for line in ARCHITECTURE.splitlines() if line.startswith("| "))
    reasons = set(re.findall(r"[\w.-]+", table))
    for file in (ROOT / "pyproject.toml", *(ROOT / "plugins").glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text("utf-8"))["project"]
        extras = project.get("optional-dependencies", {}).values()
        for dependency in (*project["dependencies"], *(item for extra in extras for item in extra)):
            name = re.match(r"[\w.-]+", dependency)
            assert name, dependency
            assert name[0] in {*reasons, "orbit-inference"}, f"{file}: {name[0]}"


# What the first run makes of it


def test_questions_find_their_answers(tmp_path: Path) -> None:
    questions = re.findall(r"^## (.+)$", (DOCS / "faq.md").read_text("utf-8"), re.MULTILINE)
    paraphrases = {
        "How can I change the port?": "How do I change the port?",
        "How do I give my documents to it?": "How do I add my own documents?",
        "I forgot my key": "I lost an API key. Can it be shown again?",
        "What kinds of files can it read?": "Which kinds of files can be read?",
        "What is ORBIT?": "What is ORBIT? What does ORBIT do?",
    }

    async def missed() -> list[str]:
        context = CallContext("test")
        lost: list[str] = []
        async with host({"chroma": {}, "wordllama": {}, "echo": {}}, tmp_path) as running:
            await ingest_paths(running, "docs", [ROOT / "README.md", DOCS], running.config.host.ingest, context)
            retrieve = running.registry.caller("retrieve", "chroma")
            for asked, heading in {**{question: question for question in questions}, **paraphrases}.items():
                found = await retrieve(query=Query(asked, "docs"), limit=4, context=context)
                if not any(f"> {heading}\n" in document.text for document in found):
                    lost.append(asked)
        return lost

    assert asyncio.run(missed()) == []


def test_the_wheel_has_the_documentation(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"orbit/docs/README.md", *(f"orbit/docs/{page.name}" for page in DOCS.glob("*.md"))} <= names
    assert {"orbit/config/embedded.yaml", "orbit/web/pages/static/chat.html"} <= names
    assert any(name.endswith(".dist-info/licenses/orbit/web/pages/static/vendor/marked.LICENSE.txt") for name in names)
    assert not any(name.startswith(("tests/", "plugins/", "bench/")) for name in names)
