"""References in the configuration: variables, secrets in files, and forms of other programs that are refused."""

import os
from pathlib import Path
from typing import Any

import pytest

from orbit.config.load import read_config
from orbit.config.model import Config
from orbit.host.host import OrbitHost


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read a text as ``config.yaml`` with some variables; returns the configuration and its problems as text."""

    def reading(text: str, **variables: str) -> tuple[Config, list[str]]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "config.yaml").write_text(text, "utf-8")
        config, problems = read_config(str(tmp_path / "config.yaml"))
        return config, [str(problem) for problem in problems]

    return reading


def prompt(value: str) -> str:
    return f"general: {{default_system_prompt: '{value}'}}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${T_SET}", "set"),
        ("a ${T_SET}${T_SET} b", "a setset b"),
        ("${T_EMPTY}", ""),
        ("${T_EMPTY:-default}", "default"),
        ("${T_NONE:-}", ""),
        ("${T_NONE:-${T_SET}}", "set"),
        ("${T_NONE:-${T_NONE:-x}}", "x"),
        ("${T_NONE:-a${T_NONE:-b}c}d", "abcd"),
        ('${T_NONE:-{"a": {"b": 1}}}', '{"a": {"b": 1}}'),
        ("${T_SET:-${T_NONE}}", "set"),
        ("${T_SET:?must be set}", "set"),
        ("${T_REFERENCE}", "${T_SET}"),
        ("$${T_SET}", "${T_SET}"),
        ("$${my.key} ${T_SET}", "${my.key} set"),
        ("pa$$w0rd", "pa$$w0rd"),
        ("$ecret", "$ecret"),
        ("costs $5, or 5$", "costs $5, or 5$"),
        ("^\\$[0-9]+$", "^\\$[0-9]+$"),
        ("US$ or $USD", "US$ or $USD"),
        ("100%", "100%"),
        ("%20", "%20"),
        ("environment: prod", "environment: prod"),
        ("env", "env"),
        ("file:///srv/handbook", "file:///srv/handbook"),
        ("Answer in one sentence. @/me", "Answer in one sentence. @/me"),
        ("operation: a/b", "operation: a/b"),
    ],
)
def test_what_a_text_stands_for(read: Any, value: str, expected: str) -> None:
    config, problems = read(prompt(value), T_SET="set", T_EMPTY="", T_REFERENCE="${T_SET}")
    assert problems == []
    assert config.host.general.default_system_prompt == expected


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("${T_NONE}", "the environment variable T_NONE is not set. Set it, add it to .env"),
        ("${T_NONE:?ask Ada for it}", "the environment variable T_NONE is not set: ask Ada for it"),
        ("${T_EMPTY:?ask Ada for it}", "the environment variable T_EMPTY is empty: ask Ada for it"),
        ("${T_NONE:-${T_OTHER}}", "the environment variable T_OTHER is not set."),
        ("${T_SET-hunter2}", "'${T_SET...}' is not a form of reference. Supported are ${NAME}, ${NAME:-default}"),
        ("${T_SET:+hunter2}", "'${T_SET...}' is not a form of reference."),
        ("${T_SET:=hunter2}", "'${T_SET...}' is not a form of reference."),
        ("${my.key}", "'${my.key}' is not a form of reference."),
        ("${ T_SET }", "'${ T_SET }' is not a form of reference."),
        ("${env:T_SET}", "is not a form of reference."),
        ("${{ secrets.KEY }}", "is not a form of reference."),
        ("${}", "'${}' is not a form of reference."),
        ("${1}", "'${1}' is not a form of reference."),
        ("Bearer ${T_SET", "'${T_SET' is never closed with }."),
        ("$T_SET", "'$T_SET' is not a form of reference; write ${T_SET}. Supported are ${NAME}"),
        ("Bearer $T_SET", "'$T_SET' is not a form of reference; write ${T_SET}."),
        ("$lower_t", "'$lower_t' is not a form of reference; write ${lower_t}."),
        ("$(T_SET)", "'$(T_SET)' is not a form of reference; write ${T_SET}."),
        ("$env:T_SET", "'$env:T_SET' is not a form of reference; write ${T_SET}."),
        ("$Env:T_SET", "'$Env:T_SET' is not a form of reference; write ${T_SET}."),
        ("os.environ/T_SET", "'os.environ/T_SET' is not a form of reference; write ${T_SET}."),
        ('os.environ["T_SET"]', "is not a form of reference; write ${T_SET}."),
        ("process.env.T_SET", "is not a form of reference; write ${T_SET}."),
        ("{{ T_SET }}", "'{{ T_SET }}' is not a form of reference; write ${T_SET}."),
        ("{{T_SET}}", "'{{T_SET}}' is not a form of reference; write ${T_SET}."),
        ("{{ .Values.key }}", "'{{ .Values.key }}' is not a form of reference."),
        ("%T_SET%", "'%T_SET%' is not a form of reference; write ${T_SET}."),
        ("env:T_SET", "'env:T_SET' is not a form of reference; write ${T_SET}."),
        ("!env T_SET", "'!env T_SET' is not a form of reference; write ${T_SET}."),
        ("%(T_SET)s", "'%(T_SET)s' is not a form of reference; write ${T_SET}."),
        ("{env:T_SET}", "'{env:T_SET}' is not a form of reference; write ${T_SET}."),
        ("#{T_SET}", "'#{T_SET}' is not a form of reference; write ${T_SET}."),
        ("$ {T_SET}", "'$ {T_SET}' is not a form of reference; write ${T_SET}."),
        ("env(T_SET)", "'env(T_SET)' is not a form of reference; write ${T_SET}."),
        ('ENV["T_SET"]', "is not a form of reference; write ${T_SET}."),
        ("secretref:T_SET", "'secretref:T_SET' is not a form of reference; write ${T_SET}."),
        ("$(cat /run/secrets/key)", "'$(cat /run/secrets/key)' is not a form of reference."),
        ("`cat key`", "'`cat key`' is not a form of reference."),
        ("vault:secret/data/orbit#key", "'vault:secret/data/orbit#key' is not a form of reference."),
        ("op://vault/item/field", "'op://vault/item/field' is not a form of reference."),
        ("awssm://orbit/key", "'awssm://orbit/key' is not a form of reference."),
        ("arn:aws:secretsmanager:eu:1:secret:x", "is not a form of reference."),
        ("Bearer op://vault/item/field", "'op://vault/item/field' is not a form of reference."),
        ("ENC[AES256_GCM,data:hunter2,iv:x]", "'ENC[...' is not a form of reference."),
    ],
)
def test_a_reference_that_leads_nowhere(read: Any, value: str, sentence: str) -> None:
    _, (problem,) = read(prompt(value), T_SET="set", T_EMPTY="", lower_t="x")
    assert problem.startswith("general.default_system_prompt: ")
    assert sentence in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize("value", ["<YOUR_API_KEY>", "<your key>", "sk-...", "…"])
def test_what_stands_for_a_secret_in_an_example_is_none(read: Any, value: str) -> None:
    _, (problem,) = read(f"openai: {{model: m, api_key: '{value}'}}")
    assert problem.startswith(f"openai.api_key: '{value}' stands for a secret in an example; put yours into .env")


@pytest.mark.parametrize("value", ["file:///run/secrets/key", "file:/run/secrets/key", "@/run/secrets/key"])
def test_the_address_of_a_file_is_no_secret(read: Any, value: str) -> None:
    _, (problem,) = read(f"openai: {{model: m, api_key: '{value}'}}")
    assert problem.startswith(
        f"openai.api_key: '{value}' is not a form of reference; write ${{file:/run/secrets/key}}."
    )


@pytest.mark.parametrize(
    ("value", "instead"),
    [
        *[(form, "; write ${T_SET}") for form in ("env.T_SET", "ENV:T_SET", "{T_SET}", "#{T_SET}#", "@env(T_SET)")],
        *[(form, "; write ${T_SET}") for form in ("%{T_SET}", "$[T_SET]", "Bearer {T_SET}")],
        *[(form, "") for form in ("ref+vault://x#key", "secret://orbit/key", "keyring:orbit/key", "doppler://key")],
        *[(form, "") for form in ("aws://orbit/key", "sm://x/key", "Bearer hashivault://orbit/key")],
        *[(form, "; write ${T_SET}") for form in ("{$T_SET}", "!ENV T_SET")],
        ("projects/x/secrets/y/versions/latest", ""),
        ("/run/secrets/key", "; write ${file:/run/secrets/key}"),
    ],
)
def test_what_only_a_secret_cannot_be(read: Any, value: str, instead: str) -> None:
    _, (problem,) = read(f"openai: {{model: m, headers: {{Authorization: '{value}'}}}}", T_SET="set")
    form = value.removeprefix("Bearer ")
    assert problem.startswith(f"openai.headers.Authorization: '{form}' is not a form of reference{instead}. Supported")
    assert read(f"openai: {{model: '{value}'}}", T_SET="set")[1] == []


@pytest.mark.parametrize("value", ["sk-1{x}", "environment", "a/run/secrets/b", "{a b}", "$[", "secret", "pa$$word{"])
def test_a_secret_may_be_odd(read: Any, value: str) -> None:
    assert read(f"openai: {{model: m, api_key: '{value}'}}")[1] == []


def test_a_tag_of_other_programs_is_refused_with_what_is_supported(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("openai: {api_key: !env KEY}")
    with pytest.raises(Exception, match=r"the tag !env is not supported; write a variable as \$\{NAME\}"):
        read_config(str(tmp_path / "config.yaml"))


def test_a_password_in_the_env_file_is_not_cut(read: Any, tmp_path: Path) -> None:
    lines = ["T_A=abc${t_none}def", "T_B='pa$$w0rd'", "T_C=${T_A}-${T_SET}", "T_D=${t_none:-x}", "T_SET=file", "T_E="]
    (tmp_path / ".env").write_text("\n".join(lines))
    config, problems = read(prompt("${T_A} ${T_B} ${T_C} ${T_D} ${T_SET} ${T_E}"), T_SET="process")
    assert problems == []
    expected = "abc${t_none}def pa$$w0rd abc${t_none}def-process x process "
    assert config.host.general.default_system_prompt == expected


def test_a_line_of_the_env_file_that_is_no_variable_is_named_without_its_value(
    read: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text("# ours\nT_A: secret\nexport T_B=b\n\nT_C='secret\n")
    for _ in range(3):
        config, problems = read(prompt("${T_B}"))
        assert (config.host.general.default_system_prompt, problems) == ("b", [])
    ignored = "is ignored, because it is not NAME=VALUE"
    assert caplog.messages == [f"{tmp_path}/.env, line {number}: {ignored}" for number in (2, 5)]


def test_a_variable_of_bytes_is_refused(read: Any) -> None:
    _, (problem,) = read(prompt("${T_BYTES}"), T_BYTES=os.fsdecode(b"a\xff"))
    assert problem == "general.default_system_prompt: the environment variable T_BYTES is not UTF-8 text."


def test_a_secret_in_a_file(read: Any, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "relative").write_bytes(b"\xef\xbb\xbftop secret ${T_SET} $X\r\n")
    (tmp_path / "link").symlink_to(tmp_path / "secrets" / "relative")
    text = prompt("${file:secrets/relative}, ${file:" + f"{tmp_path}/link" + "}, ${file:${T_DIR}/relative}")
    config, problems = read(text, T_DIR="secrets")
    assert problems == []
    assert config.host.general.default_system_prompt == ", ".join(["top secret ${T_SET} $X"] * 3)
    config, problems = read(prompt("${file:nowhere:-default}"))
    assert (config.host.general.default_system_prompt, problems) == ("default", [])


def test_a_secret_that_cannot_be_read_is_one_sentence(read: Any, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 65_537)
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    os.mkfifo(tmp_path / "pipe")
    for name, reason in {
        "nowhere": f"the file {tmp_path}/nowhere does not exist.",
        ".": f"{tmp_path} is a folder.",
        "large": f"{tmp_path}/large is larger than 64 KiB.",
        "binary": f"{tmp_path}/binary is not UTF-8 text.",
        "pipe": f"{tmp_path}/pipe is not a regular file.",
        "large/x": f"{tmp_path}/large/x: Not a directory.",
        "x" * 300: "File name too long.",
    }.items():
        _, (problem,) = read(prompt("${file:" + name + "}"))
        assert problem.startswith("general.default_system_prompt: the secret cannot be read: ")
        assert problem.endswith(reason)
    _, (problem,) = read(prompt("${file:}"))
    assert problem.endswith("'${file:}' names no file; write ${file:/run/secrets/NAME}.")


def test_text_of_variables_becomes_what_a_setting_needs(read: Any) -> None:
    text = """
general: {port: "${T_PORT}", verbose: "${T_YES}", trusted_proxies: "${T_PROXIES}"}
pages: {enabled: "${T_NO}", questions: "${T_JSON}", embed_origins: "${T_NONE:-}"}
timeouts: {start: "${T_NONE:-}", ping: "${T_FLOAT}"}
"""
    config, problems = read(
        text,
        T_PORT=" 4000\n",
        T_YES="1",
        T_NO="Off",
        T_PROXIES="10.0.0.0/8, ::1",
        T_JSON='["a, b", "c"]',
        T_FLOAT="2.5",
    )
    assert problems == []
    general, pages, timeouts = config.host.general, config.host.pages, config.host.timeouts
    assert (general.port, general.verbose, general.trusted_proxies) == (4000, True, ("10.0.0.0/8", "::1"))
    assert (pages.enabled, pages.questions, pages.embed_origins) == (False, ("a, b", "c"), ())
    assert (timeouts.start, timeouts.ping) == (300.0, 2.5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-1", -1), ("300", 300), ("10m", "10m"), ("1h30m", "1h30m"), ("", None), ("0", 0), ("-5m", "-5m")],
)
def test_a_number_for_a_setting_that_takes_text_too(read: Any, tmp_path: Path, text: str, expected: Any) -> None:
    section = "ollama: {model: m, keep_alive: '${T_KEEP}', think: '${T_NO}', num_predict: '${T_NONE:-}'}"
    read(section, T_KEEP=text, T_NO="no")
    host = OrbitHost.from_file(str(tmp_path / "config.yaml"))
    assert host.problems == ()
    settings = host.registry["ollama"].settings
    assert (settings.keep_alive, settings.think, settings.num_predict) == (expected, False, None)


@pytest.mark.parametrize("text", ["forever", "10 minutes", "1x", "inf"])
def test_a_time_that_ollama_cannot_read_is_a_problem(read: Any, tmp_path: Path, text: str) -> None:
    read("ollama: {model: m, keep_alive: '${T_KEEP}'}", T_KEEP=text)
    (problem,) = OrbitHost.from_file(str(tmp_path / "config.yaml")).problems
    assert problem.message.startswith(f"keep_alive '{text}' is not a time: ")


def test_text_of_variables_in_the_section_of_the_chat_log(read: Any, tmp_path: Path) -> None:
    read(
        "echo: {}\nlogging: {file: {redact: '${T_LIST}', retention_days: '${T_DAYS}', fsync: '${T_NONE:-}'}}",
        T_LIST="a+, b+",
        T_DAYS="3",
    )
    host = OrbitHost.from_file(str(tmp_path / "config.yaml"))
    assert host.problems == ()
    settings = host.registry["files"].settings
    assert (settings.redact, settings.retention_days, settings.fsync) == (("a+", "b+"), 3, False)


def test_nothing_is_asked_for_in_what_is_switched_off(read: Any) -> None:
    text = """
ollama: {enabled: false, api_key: "${T_NONE}", nested: ["${T_NONE}", "${file:nowhere}", "$T_OTHER"]}
judge: {enabled: "${T_OFF}", api_key: "${T_NONE}"}
inference: {openai: {enabled: no, api_key: "${T_NONE}"}}
mongodb: {enabled: false, port: "${T_NONE}", password: "${T_NONE}", uri: "mongodb://$${x}"}
general: {https: {enabled: "${T_MISSING:-false}", port: "${T_NONE}"}}
logging: {file: {enabled: false, directory: "${T_NONE}"}}
echo: {}
"""
    config, problems = read(text, T_OFF="false")
    assert problems == []
    assert [section.name for section in config.providers] == ["echo"]
    assert config.host.mongodb.port == 27017
    _, problems = read("ollama: {enabled: '${T_NONE}', api_key: '${T_NONE}'}")
    assert len(problems) == 2
    _, problems = read("openai: {enabled: true, extra_body: {enabled: false, x: '${T_NONE}'}}")
    assert [problem.partition(":")[0] for problem in problems] == ["openai.extra_body.x"]
