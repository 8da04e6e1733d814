"""The configuration file: every mistake at once, each with its path and the way out."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from orbit.config import load_config
from orbit.config.convert import convert_all
from orbit.config.load import parse_config, read_config
from orbit.errors import ConfigError
from orbit.host.host import OrbitHost
from orbit.serving.listening import bind
from orbit.testing import make_host


def problems_of(text: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    try:
        _, problems = read_config(str(file))
    except ConfigError as error:
        problems = list(error.problems)
    return [str(problem) for problem in problems]


def test_five_mistakes_are_five_sentences(tmp_path: Path) -> None:
    found = problems_of(
        """
general:
  prot: 3000
  port: 99999
  stream_text: cumul
limits: 5
auth:
  cache_seconds: soon
""",
        tmp_path,
    )
    assert len(found) == 5
    assert found[0].startswith("general.prot: there is no such setting. Did you mean 'port'? Allowed here: host, port")
    assert "general.port: expected a whole number of at most 65535, got the number 99999" in found[1]
    assert found[2] == (
        "general.stream_text: must be one of delta, cumulative, not 'cumul'. Did you mean 'cumulative'?"
    )
    assert found[3] == "limits: expected a section of settings, got a number."
    assert found[4].startswith("auth.cache_seconds: expected a number, got text.")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("general:\n  port: [", "config.yaml, line 2, column"),
        ("general: {\n", "this is not valid YAML"),
        ("a: 1\na: 2\n", "line 2, column 1: this is not valid YAML: 'a' appears a second time"),
        ("general:\n\tport: 1\n", "line 2, column 1: this is not valid YAML: there is a tab"),
        ("general:\n  host: x\n   port: 1\n", "line 3, column 8: this is not valid YAML: there is a colon where none"),
        ("messages:\n  refusal_response: Sorry: no.\n", "line 2, column 26: this is not valid YAML: there is a colon"),
        ("general:\n  port 1\n  host: x\n", "this is not valid YAML: there is a colon where none is expected"),
        ("general:\n  host: x\n  port\n", "this is not valid YAML: this line has no colon"),
        ("general:\n  host: @x\n", "this is not valid YAML: a text that begins with @ needs quotes"),
        ("general:\n  host: *x\n", "this is not valid YAML: a text that begins with * needs quotes"),
        ("general:\n  host: 'x\nlogging:\n", "line 2, column 9: this is not valid YAML: a quote opens here"),
        ("general:\nport: 1\n", "port: is a setting, not a section; indent it below 'general:' or 'mongodb:'."),
        ("- a\n- b\n", "must be a mapping of sections"),
        ("just text", "must be a mapping of sections"),
        ("chroma: 5\n", "chroma: must be a section of settings"),
        ("echo: yes\n", "must be a section of settings. If 'echo' is a plugin, 'echo: {}' enables it."),
        ("limits:\n  max_body_bytes: 10MB\n", "a whole number, got '10MB'; write the number alone, without a unit."),
        ("timeouts:\n  turn: 10 min\n", "timeouts.turn: expected a number, got '10 min'; write the number alone"),
        ("timeouts:\n  turn: sk-secret\n", "timeouts.turn: expected a number, got text."),
        ("general:\n  root_path: orbit/\n", "expected text such as /orbit; what is here has another form."),
        ("answers:\n  verify: true\n", "must be one of off, mark, withhold, not true."),
        ("answers:\n  mark: Check {claim}.\n", "mark: nothing replaces {claim}; what was not found is {claims}"),
        ("chroma:\n  enabled: perhaps\n", "chroma.enabled: expected true or false, got text 'perhaps'."),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str, part: str) -> None:
    assert any(part in problem for problem in problems_of(text, tmp_path))


def test_names_that_nothing_has(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("echo: {}\nretreival:\n  limit: 1\n")
    (problem,) = OrbitHost.from_file(str(tmp_path / "config.yaml")).problems
    assert "no section or plugin is named 'retreival'. Did you mean 'retrieval'?" in problem.message
    (tmp_path / "config.yaml").write_text("echo: {}\ngeneral:\n  inference_provider: olama\n")
    (problem,) = OrbitHost.from_file(str(tmp_path / "config.yaml")).problems
    assert problem.message == "no enabled section is named 'olama', to generate; providers that can: echo."


def test_a_secret_that_stands_twice_is_not_shown(tmp_path: Path) -> None:
    (problem,) = problems_of("openai:\n  api_key: sk-secret-1\n  api_key: sk-secret-2\n", tmp_path)
    assert "'api_key' appears a second time" in problem
    assert "sk-secret" not in problem


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_data_folder_that_cannot_be_is_told_before_the_start(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    config = f"general: {{port: 0, data_dir: {tmp_path}/file/data}}\necho: {{}}\n"
    (tmp_path / "config.yaml").write_text(config, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "orbit", command, "--config", str(tmp_path / "config.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.splitlines() == [
        "The configuration has 1 problem:",
        f"  - general.data_dir: the folder {tmp_path}/file/data cannot be used: {tmp_path}/file is not a folder.",
    ]


async def test_a_data_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"general\.data_dir: the folder .*/data cannot be made: Not a directory\."):
        async with make_host({"echo": {}}, tmp_path / "file" / "data"):
            pass


@pytest.mark.parametrize(("address", "advice"), [("192.0.2.1", "general.host must be"), ("127.0.0.1", "--port or")])
def test_an_address_that_cannot_be_had_is_told_with_the_right_advice(address: str, advice: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ConfigError, match=f"cannot listen on {address}.*{advice}"):
            bind(address, taken.getsockname()[1])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file\. --config must name a YAML file"):
        load_config(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(ConfigError, match=r"this is a folder\. --config must name a YAML file"):
        load_config(str(tmp_path))
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        load_config(str(tmp_path / "config.yaml"))


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORBIT_CONFIG", raising=False)
    assert load_config().source == "the embedded default"
    (tmp_path / "config.yaml").write_text("general: {port: 1}")
    assert load_config().host.general.port == 1
    (tmp_path / "other.yaml").write_text("general: {port: 2}")
    monkeypatch.setenv("ORBIT_CONFIG", "other.yaml")
    assert load_config().host.general.port == 2
    (tmp_path / "third.yaml").write_text("general: {port: 3}")
    assert load_config("third.yaml").host.general.port == 3


def test_values_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBIT_T_PORT", "4000")
    monkeypatch.setenv("ORBIT_T_BOTH", "from the process")
    (tmp_path / ".env").write_text("ORBIT_T_BOTH='from the file'\nORBIT_T_FILE=filed\n")
    (tmp_path / "config.yaml").write_text(
        """
general:
  port: ${ORBIT_T_PORT}
  verbose: ${ORBIT_T_NOT:-yes}
  default_system_prompt: "${ORBIT_T_BOTH}, ${ORBIT_T_FILE}, ${ORBIT_T_NOT:-}, $${ORBIT_T_PORT}"
"""
    )
    general = load_config(str(tmp_path / "config.yaml")).host.general
    assert (general.port, general.verbose) == (4000, True)
    assert general.default_system_prompt == "from the process, filed, , ${ORBIT_T_PORT}"


def test_an_unset_name_is_an_error_with_its_path(tmp_path: Path) -> None:
    (problem,) = problems_of("chroma:\n  hosts: ['a', '${ORBIT_T_UNSET}']\n", tmp_path)
    assert problem.startswith("chroma.hosts[1]: the environment variable ORBIT_T_UNSET is not set.")
    assert "${ORBIT_T_UNSET:-default}" in problem


def test_sections_of_providers() -> None:
    config, problems = parse_config(
        {
            "ollama": {"model": "m"},
            "judge": {"use": "ollama", "required": False},
            "chroma": None,
            "safety": {"enabled": "no"},
            "inference": {"llama_cpp": {"n_ctx": 5}},
            "logging": {"file": {"directory": "x"}},
        },
        "a test",
        {},
    )
    assert problems == []
    seen = {section.name: (section.plugin, section.path, section.settings) for section in config.providers}
    assert seen == {
        "ollama": ("ollama", "ollama", {"model": "m"}),
        "judge": ("ollama", "judge", {}),
        "chroma": ("chroma", "chroma", {}),
        "llama_cpp": ("llama_cpp", "inference.llama_cpp", {"n_ctx": 5}),
        "files": ("files", "logging.file", {"directory": "x"}),
    }
    assert {section.name: section.required for section in config.providers}["judge"] is False


def test_a_section_cannot_take_the_name_of_the_chat_log() -> None:
    for section in ({}, {"use": "echo"}):
        config, problems = parse_config({"files": section}, "a test", {})
        assert [problem.path for problem in problems] == ["files"]
        assert "put its settings under 'logging.file:'" in problems[0].message
        assert [found.name for found in config.providers] == ["files"]
    _, problems = parse_config({"files": {}, "logging": {"file": {"enabled": False}}}, "a test", {})
    assert problems == []


def test_a_section_that_stands_twice() -> None:
    twice: dict[str, Any] = {"ollama": {"model": "a"}, "inference": {"ollama": {"model": "b"}}}
    _, problems = parse_config(twice, "a test", {})
    assert [str(problem) for problem in problems] == [
        "inference.ollama: the section 'ollama:' exists as well; keep one of the two."
    ]
    twice["inference"]["ollama"]["enabled"] = "no"
    assert parse_config(twice, "a test", {})[1] == []


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    needed: int
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    inner: Inner | None = None
    many: list[Inner] = []
    named: dict[str, Inner] = {}
    flag: bool = False
    maybe: int | None = None


def test_nested_mistakes_have_their_paths() -> None:
    data = {
        "inner": {"size": 0},
        "many": [{"needed": 1}, {"neded": 1}],
        "named": {"x": {"needed": "many"}},
        "flag": "perhaps",
        "maybe": "x",
    }
    value, problems = convert_all(data, Outer, "top")
    assert value is None
    assert [problem.path for problem in problems] == [
        "top.inner.size",
        "top.inner.needed",
        "top.many[1].neded",
        "top.many[1].needed",
        "top.named.x.needed",
        "top.flag",
        "top.maybe",
        "top.name",
    ]
    assert problems[-1].message == "is missing: text is needed here."


def test_values_that_yaml_makes_odd() -> None:
    value, problems = convert_all({"name": None, "flag": "On", "maybe": None, "inner": None}, Outer, "")
    assert [str(problem) for problem in problems] == ["name: is missing: text is needed here."]
    value, problems = convert_all({"name": 5}, Outer, "")
    assert [str(problem) for problem in problems] == ["name: expected text, got a number; put it in quotes."]
    value, problems = convert_all({"name": "x", "flag": "On", "many": [{"needed": "3"}]}, Outer, "")
    assert problems == []
    assert value == Outer("x", flag=True, many=[Inner(3)])


def test_a_value_that_may_be_secret_is_never_shown() -> None:
    _, problems = convert_all({"name": ["hunter2"], "maybe": "hunter2"}, Outer, "")
    assert len(problems) == 2
    assert "hunter2" not in "".join(map(str, problems))
