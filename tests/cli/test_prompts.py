"""``orbit prompts``, on the database and through a server."""

import json

import pytest
from cli_kit import create, make_prompt, works


def test_prompts_from_creation_to_deletion(orbit, tmp_path):
    made = make_prompt(orbit, tmp_path, "guide", "Be kind.\nAlways.", "--version", "2.0")
    assert (made["name"], made["prompt"], made["version"]) == ("guide", "Be kind.\nAlways.", "2.0")
    listed = orbit("prompts", "list").output
    assert "guide" in listed
    assert "Be kind." in listed
    assert "Always." not in listed
    for reference in ([made["id"]], ["--id", made["id"]], ["guide"]):
        assert json.loads(orbit("prompts", "get", *reference, "--json").stdout) == made
    changed = json.loads(
        orbit("prompts", "update", "guide", "--file", "-", "--name", "leader", "--json", stdin="Be brief.").stdout
    )
    assert (changed["prompt"], changed["version"], changed["name"]) == ("Be brief.", "2.1", "leader")
    history = json.loads(orbit("prompts", "versions", "leader", "--json").stdout)
    assert [version["version"] for version in history] == ["2.1", "2.0"]
    assert "2.0" in orbit("prompts", "versions", "leader").output
    orbit("prompts", "delete", "leader")
    orbit("prompts", "get", made["id"], code=1)
    assert json.loads(orbit("prompts", "list", "--json").stdout) == []


def test_keys_are_tied_to_prompts(orbit, tmp_path):
    prompt = make_prompt(orbit, tmp_path)
    made = create(orbit, "--prompt-id", prompt["id"])
    assert works(tmp_path, made["api_key"]).prompt.prompt == "Be kind."
    named = create(orbit, "--prompt-name", "guide")
    assert named["system_prompt_id"] == prompt["id"]
    (tmp_path / "new.txt").write_text("Be brief.")
    fresh = create(orbit, "--prompt-name", "brief", "--prompt-file", str(tmp_path / "new.txt"))
    assert works(tmp_path, fresh["api_key"]).prompt.prompt == "Be brief."
    orbit("prompts", "associate", "--key", fresh["id"], "--prompt-id", "guide")
    assert works(tmp_path, fresh["api_key"]).prompt.prompt == "Be kind."
    refused = orbit("prompts", "delete", "guide", code=1)
    assert "Ana" in refused.stderr
    orbit("prompts", "associate", "--key", fresh["id"], "--detach")
    assert works(tmp_path, fresh["api_key"]).prompt is None
    orbit("prompts", "delete", "guide", "--force")
    assert works(tmp_path, made["api_key"]).prompt is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["prompts", "create", "--name", "a"], 2),
        (["prompts", "create", "--name", "a", "--file", "/no/such/file"], 2),
        (["prompts", "create", "--name", "", "--file", __file__], 2),
        (["prompts", "get", "unknown"], 1),
        (["prompts", "get"], 2),
        (["prompts", "update", "unknown", "--version", "2"], 1),
        (["prompts", "update", "unknown"], 2),
        (["prompts", "versions", "unknown"], 1),
        (["prompts", "delete", "unknown"], 1),
        (["prompts", "associate", "--key", "unknown", "--detach"], 1),
        (["prompts", "associate", "--key", "unknown"], 2),
        (["prompts", "associate", "--key", "unknown", "--detach", "--prompt-id", "x"], 2),
        (["keys", "create", "--name", "a", "--prompt-file", __file__], 2),
        (["keys", "create", "--name", "a", "--prompt-id", "unknown"], 1),
        (["keys", "create", "--name", "a", "--prompt-id", "x", "--prompt-name", "y"], 2),
        (["keys", "create", "--name", "a", "--prompt-name", "unknown"], 1),
        (["keys", "create", "--name", "a", "--requests-per-minute", "0"], 2),
    ],
)
def test_mistakes_with_prompts_have_exit_codes(orbit, arguments, code):
    result = orbit(*arguments, code=code)
    assert result.stderr
    assert "Traceback" not in result.output


def test_a_taken_name_is_refused(orbit, tmp_path):
    make_prompt(orbit, tmp_path)
    result = orbit("prompts", "create", "--name", "guide", "--file", str(tmp_path / "guide.txt"), code=1)
    assert "guide" in result.stderr
