"""WordLlama through its public face, with the real bundled weights."""

import logging
import subprocess
import sys

import numpy as np
import pytest
from orbit_wordllama import WordLlamaProvider

import orbit

CONTEXT = orbit.CallContext(request_id="test")


def make(**settings) -> WordLlamaProvider:
    return WordLlamaProvider("mini", WordLlamaProvider.Settings(**settings), host=None)  # type: ignore[arg-type]  # asks nothing of the host


async def test_vectors_are_float32_normalised_and_in_order():
    async with make() as provider:
        vectors = await provider.embed(["a cat", "the harbour at night", "a cat"])
    assert vectors.shape == (3, 256)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])


async def test_what_means_the_same_is_nearer():
    async with make() as provider:
        question, same, other = await provider.embed(
            ["How do I reset my password?", "Changing a forgotten password", "Ferries leave the harbour at noon"]
        )
    assert question @ same > question @ other + 0.3


async def test_a_row_does_not_depend_on_its_neighbours():
    texts = ["short", "a much longer text " * 400, "", "naïve café 東京 🙂"]
    async with make() as provider:
        together = await provider.embed(texts)
        alone = [(await provider.embed([text]))[0] for text in texts]
    np.testing.assert_array_equal(together, np.stack(alone))


async def test_it_gives_what_wordllama_itself_gives():
    async with make() as provider:
        ours = await provider.embed(["What does the reranker do?", "Chroma listens on port 8000"])
    from orbit_wordllama.provider import _import_quietly
    from orbit_wordllama.weights import package_dir

    theirs = (
        _import_quietly()
        .load(cache_dir=package_dir(), disable_download=True)
        .embed(["What does the reranker do?", "Chroma listens on port 8000"], norm=True)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


async def test_nothing_and_a_text_without_tokens():
    async with make() as provider:
        assert (await provider.embed([])).shape == (0, 256)
        assert not (await provider.embed([""])).any()


@pytest.mark.parametrize("dimension", [64, 128])
async def test_vectors_can_be_cut(dimension):
    async with make(dimension=dimension) as provider:
        vectors = await provider.embed(["a cat"])
    assert vectors.shape == (1, dimension)
    assert np.linalg.norm(vectors) == pytest.approx(1.0, rel=1e-5)
    assert provider.model("embed") == f"l2_supercat-{dimension}"


@pytest.mark.parametrize(("settings", "said"), [({"dimension": 512}, "512 dimensions"), ({"model": "l3"}, "'l3'")])
async def test_weights_that_are_not_there_are_named_offline(settings, said):
    provider = make(**settings)
    assert [problem for problem in provider.validate() if said in problem]
    with pytest.raises(orbit.ConfigError, match="is bundled"):
        async with provider:
            pass


async def test_weights_without_tokenizer_are_refused(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine_256.safetensors").touch()
    assert ["no tokenizer" in problem for problem in make(model="mine", weights_dir=str(tmp_path)).validate()] == [True]


async def test_closed_it_says_so():
    provider = make()
    async with provider:
        pass
    with pytest.raises(orbit.ProviderError, match="not loaded"):
        await provider.embed(["x"])


async def test_the_root_logger_is_left_alone():
    handlers, level = list(logging.root.handlers), logging.root.level
    async with make():
        pass
    assert (logging.root.handlers, logging.root.level) == (handlers, level)


def test_importing_it_is_light():
    code = "import sys, orbit_wordllama; print([m for m in ('numpy', 'wordllama', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
