"""A plugin that breaks the contract is refused with one sentence that says how to mend it."""

from pathlib import Path

import httpx
import pytest

from orbit.errors import PluginLoadError
from orbit.host.plugins.discover import FIRST_PARTY
from orbit.testing import make_host, serve

GENERATOR = """
class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages):
        yield orbit.Chunk("hello")
"""

WIKI_WITH_FUTURE_ANNOTATIONS = """
class Base(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    url: "str" = ""
    depth: "list[Nowhere]" = []
class WikiSettings(Base, forbid_unknown_fields=True, frozen=True):
    name: "str" = ""
class Plugin(orbit.Provider):
    Settings = WikiSettings
"""

WRAPPERS = """
class Plugin(orbit.Provider):
    @orbit.hookimpl(wrapper=True)
    def embed(self, texts): return (yield)
    @orbit.hookimpl(hookwrapper=True)
    def generate(self): yield
    @orbit.hookimpl(specname="retrieve", wrapper=True)
    def watch(self, query): return (yield)
    @orbit.hookimpl
    def register_routes(self): yield
"""

BREACHES = {
    "an unknown hook": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            async def retreive(self, query): return []
        """,
        ["Plugin.retreive: there is no hook 'retreive'. Did you mean 'retrieve'?"],
    ),
    "a blocking hook": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            def retrieve(self, query): return []
        """,
        ["Plugin.retrieve is a plain function but the hook is a coroutine function; declare it with async def"],
    ),
    "a coroutine where chunks are yielded": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            async def generate(self, messages): return "hello"
        """,
        ["Plugin.generate is a coroutine function but the hook is an async generator function"],
    ),
    "a wrong argument": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            async def retrieve(self, question): return []
        """,
        ["Plugin.retrieve takes 'question', which the hook does not pass.", "It passes: query, limit, context."],
    ),
    "a newer API": (
        """
        class Plugin(orbit.Provider):
            ORBIT_API = 99
        """,
        ["Plugin was written for plugin API 99; this host speaks 1, 2."],
    ),
    "a hook that is not marked": (
        """
        class Plugin(orbit.Provider):
            async def retrieve(self, query): return []
        """,
        ["Plugin.retrieve has the name of a hook but is not marked; put @orbit.hookimpl above it."],
    ),
    "settings that are no struct": (
        """
        class Plugin(orbit.Provider):
            Settings = dict
        """,
        ["Plugin.Settings must be a class derived from msgspec.Struct, not 'dict'."],
    ),
    "settings that allow anything": (
        """
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct):
                url: str = ""
        """,
        ["Plugin.Settings must be declared with forbid_unknown_fields=True"],
    ),
    "no provider at all": ("Plugin = 5", ["5 is of type int, no subclass of orbit.Provider"]),
    "a class that is not there": ("", ["importing wiki:Plugin failed: AttributeError"]),
    "an import that fails": (
        "import a_package_that_is_not_there",
        [
            "wiki 1.0 is installed, but importing wiki:Plugin failed: ModuleNotFoundError",
            "a_package_that_is_not_there",
            "wiki.py, line ",
        ],
    ),
    "an __init__ that raises": (
        """
        class Plugin(orbit.Provider):
            def __init__(self, *arguments): raise RuntimeError("no")
        """,
        ["Plugin could not be made: RuntimeError: no"],
    ),
    "an __init__ that takes something else": (
        """
        class Plugin(orbit.Provider):
            def __init__(self): self.count = 0
        """,
        ["Plugin.__init__ is called with name, settings, host, which it does not take."],
    ),
    "an __init__ that forgets the one of Provider": (
        """
        class Plugin(orbit.Provider):
            def __init__(self, name, settings, host): self.count = 0
        """,
        ["Plugin could not be made: TypeError: Plugin.__init__ does not call super().__init__(name, settings, host)"],
    ),
    "an __aenter__ that is no coroutine": (
        """
        class Plugin(orbit.Provider):
            def __aenter__(self): return self
        """,
        ["Plugin.__aenter__ is a plain function but has to be a coroutine function; declare it with async def."],
    ),
    "a health that is no coroutine": (
        """
        class Plugin(orbit.Provider):
            def health(self): return orbit.Health()
        """,
        ["Plugin.health is a plain function but has to be a coroutine function; declare it with async def."],
    ),
    "a validate that is a coroutine": (
        """
        class Plugin(orbit.Provider):
            async def validate(self): return []
        """,
        ["Plugin.validate is a coroutine function but has to be a plain function; declare it with def."],
    ),
    "a method without its argument": (
        """
        class Plugin(orbit.Provider):
            def model(self): return "x"
        """,
        ["Plugin.model is called with hook, which it does not take."],
    ),
    "a wrapper that is no generator": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl(wrapper=True)
            def embed(self): return None
        """,
        ["Plugin.embed is marked with wrapper=True but is a plain function; a wrapper is a plain generator function:"],
    ),
    "a wrapper that is a coroutine": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl(wrapper=True)
            async def embed(self): return None
        """,
        ["Plugin.embed is marked with wrapper=True but is a coroutine function;"],
    ),
    "a wrapper that is an async generator": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl(wrapper=True)
            async def generate(self): yield
        """,
        ["Plugin.generate is marked with wrapper=True but is an async generator function;"],
    ),
    "a wrapper of the older form that is no generator": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl(hookwrapper=True)
            async def embed(self): return None
        """,
        ["Plugin.embed is marked with hookwrapper=True but is a coroutine function;"],
    ),
    "a wrapper of both forms": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl(wrapper=True, hookwrapper=True)
            def embed(self): return (yield)
        """,
        ["Plugin.embed is marked with both wrapper=True and its older form hookwrapper=True; leave the latter out."],
    ),
    "a wrapper of an unknown hook": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl(wrapper=True)
            def retreive(self): return (yield)
        """,
        ["Plugin.retreive: there is no hook 'retreive'. Did you mean 'retrieve'?"],
    ),
    "an argument of a hook that passes none": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            def register_routes(self, app): return []
        """,
        ["Plugin.register_routes takes 'app', which the hook does not pass. It passes: nothing."],
    ),
    "a wrapper with a wrong argument": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl(wrapper=True)
            def retrieve(self, question): return (yield)
        """,
        ["Plugin.retrieve takes 'question', which the hook does not pass.", "It passes: query, limit, context."],
    ),
    "a marked method of Provider": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            async def health(self): return orbit.Health()
        """,
        ["Plugin.health is a method of orbit.Provider, no hook; leave @orbit.hookimpl out."],
    ),
    "a hook without self": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            async def retrieve(query, limit): return []
        """,
        ["Plugin.retrieve does not take self; make it the first argument."],
    ),
    "arguments by keyword only": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            async def retrieve(self, *, query): return []
        """,
        ["Plugin.retrieve takes 'query' by keyword only, but is passed it by position; remove the *."],
    ),
    "a generator where a coroutine is due": (
        """
        class Plugin(orbit.Provider):
            @orbit.hookimpl
            def retrieve(self, query): yield
        """,
        ["Plugin.retrieve is a generator function but the hook is a coroutine function; declare it with async def"],
    ),
    "an annotation that is not defined": (
        """
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
                url: str = ""
                depth: "Nowhere | None" = None
        """,
        ["Plugin.Settings.depth: its annotation cannot be read: NameError: name 'Nowhere' is not defined."],
    ),
    "a set of a class": (
        """
        class Page: pass
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
                pages: set[Page] = set()
        """,
        ["Plugin.Settings.pages: no value of a configuration is of the type 'Page'; use text, numbers, "],
    ),
    "a class within a section": (
        """
        from pathlib import Path
        class Inner(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
            folder: Path | None = None
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
                parts: dict[str, tuple[Inner, ...]] = {}
        """,
        ["Plugin.Settings.parts: no value of a configuration is of the type 'Path'; use text"],
    ),
    "a union of lists": (
        """
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
                many: list[int] | set[str] = []
        """,
        ["Plugin.Settings.many: its annotation cannot be used: Type unions may not contain more than one array-like"],
    ),
    "a rule of another type": (
        """
        from typing import Annotated
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
                url: Annotated[str, msgspec.Meta(ge=1)] = ""
        """,
        ["Plugin.Settings.url: its annotation cannot be used: Can only set ge on a numeric type"],
    ),
    "a mutable default": (
        """
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
                words: list[str] = ["a"]
        """,
        ["importing wiki:Plugin failed: TypeError: Using a non-empty mutable collection (['a']) as a default value"],
    ),
    "a field with a name of the host": (
        """
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
                enabled: bool = True
        """,
        ["Plugin.Settings.enabled: the host reads the keys 'use', 'enabled', 'required' of a section itself;"],
    ),
    "settings that raise": (
        """
        class Plugin(orbit.Provider):
            class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
                url: str = ""
                def __post_init__(self): raise KeyError("x")
        """,
        ["Plugin.Settings could not be made: KeyError: 'x'"],
    ),
    "an offers that raises": (
        """
        class Plugin(orbit.Provider):
            def offers(self, hook): raise KeyError(hook)
            @orbit.hookimpl
            async def retrieve(self, query): return []
        """,
        ["Plugin could not be made: KeyError: 'retrieve'", "wiki.py, line "],
    ),
    "an exclusive that raises": (
        """
        class Plugin(orbit.Provider):
            def exclusive(self): raise KeyError("x")
        """,
        ["Plugin could not be made: KeyError: 'x'"],
    ),
    "a validate that raises": (
        """
        class Plugin(orbit.Provider):
            def validate(self): raise RuntimeError("no")
        """,
        ["Plugin could not be checked: RuntimeError: no"],
    ),
    "a validate that returns a text": (
        """
        class Plugin(orbit.Provider):
            def validate(self): return "the file is not there."
        """,
        ["Plugin.validate returned a text instead of a list of sentences: the file is not there."],
    ),
    "a validate that returns nothing": (
        """
        class Plugin(orbit.Provider):
            def validate(self): pass
        """,
        ["Plugin.validate returned None instead of a list of sentences"],
    ),
    "a validate that returns numbers": (
        """
        class Plugin(orbit.Provider):
            def validate(self): yield 5
        """,
        ["Plugin.validate gave a value of type int instead of a sentence"],
    ),
    "a validate that is an async generator": (
        """
        class Plugin(orbit.Provider):
            async def validate(self): yield ""
        """,
        ["Plugin.validate is an async generator function but has to be a plain function; declare it with def."],
    ),
    "a function": ("def Plugin(): pass", ["'Plugin' is a function, no subclass of orbit.Provider"]),
    "an import that exits": ("raise SystemExit(3)", ["importing wiki:Plugin failed: SystemExit: 3", "wiki.py, line "]),
    "settings without sense": (
        """
        class Plugin(orbit.Provider):
            def validate(self): yield "the file is not there."
        """,
        ["the file is not there."],
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_one_sentence(install, tmp_path: Path, breach: str) -> None:
    source, expected = BREACHES[breach]
    install("wiki", source)
    host = make_host({"echo": {}, "wiki": {}}, tmp_path)
    (problem,) = host.problems
    assert problem.path == "wiki"
    for part in expected:
        assert part in problem.message


def test_future_annotations_and_the_name_of_the_field(install, tmp_path: Path) -> None:
    install("wiki", WIKI_WITH_FUTURE_ANNOTATIONS)
    (problem,) = make_host({"echo": {}, "wiki": {"url": "x"}}, tmp_path).problems
    assert "WikiSettings.depth: its annotation" not in problem.message
    assert "Plugin.Settings.depth: its annotation cannot be read: NameError: name 'Nowhere'" in problem.message


def test_an_entry_point_that_names_a_module(install, tmp_path: Path) -> None:
    site = install("wiki", GENERATOR)
    (site / "wiki-1.0.dist-info" / "entry_points.txt").write_text("[orbit]\nwiki = wiki\n")
    (problem,) = make_host({"echo": {}, "wiki": {}}, tmp_path).problems
    assert "its entry point names the module wiki, not a class in it: write MODULE:CLASS." in problem.message


def test_wrappers_of_both_forms_are_right(install, tmp_path: Path) -> None:
    install("wiki", WRAPPERS)
    assert make_host({"echo": {}, "wiki": {}}, tmp_path).problems == ()


@pytest.mark.parametrize("body", ["pass", "raise KeyError(hook)", "return self.settings"])
async def test_a_model_without_a_name(install, tmp_path: Path, caplog: pytest.LogCaptureFixture, body: str) -> None:
    install("wiki", GENERATOR + f"    def model(self, hook): {body}")
    async with make_host({"wiki": {}}, tmp_path) as host:
        assert [host.registry.model("wiki", "generate") for _ in range(2)] == ["", ""]
    assert caplog.text.count("wiki.model('generate') gave ") == 1


def test_an_answer_of_a_model_without_a_name(install, tmp_path: Path) -> None:
    install("wiki", GENERATOR + "    def model(self, hook): pass")
    with serve({"wiki": {}}, tmp_path) as server:
        body = {"message": "hi", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key})
    assert answer.json()["response"] == "hello"


async def test_a_moderates_that_raises(install, tmp_path: Path) -> None:
    source = """
class Plugin(orbit.Provider):
    def moderates(self, stage): raise KeyError(stage)
    @orbit.hookimpl
    async def moderate(self): return orbit.Verdict(True)
"""
    install("wiki", source)
    async with make_host({"echo": {}, "wiki": {}}, tmp_path) as host:
        with pytest.raises(PluginLoadError, match=r"wiki: it cannot be asked what it judges: moderates\('input'\)"):
            host.registry.moderates("wiki", "input")


def test_settings_that_may_change_are_deprecated(install, tmp_path: Path) -> None:
    install(
        "wiki", "class Plugin(orbit.Provider):\n    class Settings(msgspec.Struct, forbid_unknown_fields=True): pass"
    )
    with pytest.warns(DeprecationWarning, match=r"Plugin\.Settings should be declared with frozen=True"):
        assert make_host({"echo": {}, "wiki": {}}, tmp_path).problems == ()


def test_a_plugin_that_is_not_enabled_is_not_imported(install, tmp_path: Path) -> None:
    install("wiki", "raise RuntimeError('imported')")
    assert make_host({"echo": {}}, tmp_path).problems == ()
    assert make_host({"echo": {}, "wiki": {"enabled": False}}, tmp_path).problems == ()
    assert make_host({"echo": {}, "wiki": {}}, tmp_path).problems


def test_two_distributions_with_one_name(install, tmp_path: Path) -> None:
    install("wiki", GENERATOR)
    install("other-wiki", GENERATOR, name="wiki")
    (problem,) = make_host({"wiki": {}}, tmp_path).problems
    assert "several distributions have a plugin of this name" in problem.message
    assert "other-wiki" in problem.message


def test_a_section_that_nothing_answers_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIRST_PARTY, "absent", "orbit-absent")
    problems = make_host({"echo": {}, "absent": {}, "shelv": {}}, tmp_path).problems
    assert "the plugin 'absent' is not installed. Install it: pip install orbit-absent." in str(problems[0])
    assert "shelv: no section or plugin is named 'shelv'. Did you mean 'shelf'?" in str(problems[1])


async def test_a_plugin_of_thirty_lines_serves(install, tmp_path: Path) -> None:
    from orbit import CallContext, GenerateOptions, Message

    install("wiki", GENERATOR)
    async with make_host({"wiki": {}}, tmp_path) as host:
        chunks = host.generate([Message("user", "hi")], GenerateOptions(), CallContext("r"))
        assert [chunk.text async for chunk in chunks] == ["hello"]


def test_settings_for_a_plugin_without_any_are_told_as_such(install, tmp_path: Path) -> None:
    install("wiki", "class Plugin(orbit.Provider):\n    settings: object")
    (problem,) = make_host({"echo": {}, "wiki": {"url": "x"}}, tmp_path).problems
    assert str(problem) == "wiki: Plugin has no class attribute Settings, so it takes none."


async def test_a_start_that_fails_is_told_once(install, tmp_path: Path) -> None:
    install("wiki", "class Plugin(orbit.Provider):\n    async def __aenter__(self): raise KeyError('x')")
    with pytest.raises(PluginLoadError) as raised:
        async with make_host({"echo": {}, "wiki": {"required": True}}, tmp_path):
            pass
    assert str(raised.value) == (
        "wiki: it could not start: it failed unexpectedly (KeyError); the server's log has the details."
    )
