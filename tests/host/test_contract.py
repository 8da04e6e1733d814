"""A plugin that breaks the contract is refused with one sentence that says how to mend it."""

from pathlib import Path

import pytest

from orbit.errors import PluginLoadError
from orbit.plugins.discover import FIRST_PARTY
from orbit.testing import make_host

GENERATOR = """
class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages):
        yield orbit.Chunk("hello")
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
        ["Plugin was written for plugin API 99; this host speaks 1."],
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
    "no provider at all": ("Plugin = 5", ["5 is no subclass of orbit.Provider"]),
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
