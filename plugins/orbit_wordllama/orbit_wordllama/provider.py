"""The provider: loads the weights once, then embeds on the CPU."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import msgspec

import orbit
from orbit_wordllama.pooling import pool
from orbit_wordllama.weights import find_weights, has_tokenizer, package_dir

if TYPE_CHECKING:
    from orbit import Vectors

INLINE_CHARS = 1_024
"""Total characters up to which embedding (about 0.1 ms) is faster than switching to a thread."""


class WordLlamaSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of the configuration section."""

    model: Annotated[str, msgspec.Meta(description="WordLlama model; `l2_supercat` is bundled.", min_length=1)] = (
        "l2_supercat"
    )
    dimension: Annotated[
        Literal[64, 128, 256, 512, 1024],
        msgspec.Meta(description="Length of a vector; the bundled weights have 256 and can be cut to 128 or 64."),
    ] = 256
    weights_dir: Annotated[
        str,
        msgspec.Meta(
            description=(
                "Folder with `weights/` and `tokenizers/` of other models; ORBIT never downloads anything into it."
            )
        ),
    ] = ""


class WordLlamaProvider(orbit.Provider):
    """Averaged static word embeddings: small, fast and offline; good at topics, weak at fine distinctions."""

    Settings = WordLlamaSettings
    settings: WordLlamaSettings

    def __init__(self, name: str, settings: msgspec.Struct, host: orbit.Host) -> None:
        """Store the arguments; ``__aenter__`` loads the weights."""
        super().__init__(name, settings, host)
        self._table: Vectors | None = None
        self._tokenizer: Any = None

    async def __aenter__(self) -> Self:
        """Load weights and tokenizer (about a second, 30 MB)."""
        problems = list(self.validate())
        if problems:
            raise orbit.ConfigError([orbit.Problem(self.name, problem) for problem in problems])
        self._table, self._tokenizer = await asyncio.to_thread(_load, self.settings, self._folders())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the weights."""
        self._table = self._tokenizer = None

    def validate(self) -> Iterable[str]:
        """Check for missing weights without loading anything."""
        folders, model, dimension = self._folders(), self.settings.model, self.settings.dimension
        where = " or ".join(str(folder) for folder in folders)
        if find_weights(folders, model, dimension) is None:
            yield (
                f"there are no weights of '{model}' with {dimension} dimensions in {where}; 'l2_supercat' with 64, "
                "128 or 256 is bundled, others go into weights_dir"
            )
        elif not has_tokenizer(folders, model):
            yield f"there is no tokenizer of '{model}' ({model}_tokenizer_config.json) in {where}"

    def calibration(self, hook: str) -> orbit.Calibration | None:
        """Return the scale of the bundled weights' cosine similarities; that of other weights is unknown."""
        bundled = self.settings.model == WordLlamaSettings().model
        return (
            orbit.Calibration(0.1, 0.8, weight=0.5, scripts=("LATIN", "CJK"), languages=("en",))
            if hook == "embed" and bundled
            else None
        )

    def model(self, hook: str) -> str:  # noqa: ARG002 - one model serves the one hook
        """Return model and dimension, as in ``l2_supercat-256``: vectors of other models are not comparable."""
        return f"{self.settings.model}-{self.settings.dimension}"

    @orbit.hookimpl
    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts. Queries and documents are treated alike."""
        if sum(map(len, texts)) <= INLINE_CHARS:
            return self._embed(texts)
        return await asyncio.to_thread(self._embed, texts)

    @orbit.hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """Embed the texts of token ids."""
        return await asyncio.to_thread(lambda: self._embed([self._text_of(ids) for ids in tokens]))

    def _text_of(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids. Raises ProviderError if they are not of this model's vocabulary."""
        tokenizer = self._tokenizer
        if tokenizer is None:
            raise orbit.ProviderError("the weights are not loaded", kind="unavailable")
        special = [token for token, entry in tokenizer.get_added_tokens_decoder().items() if entry.special]
        return orbit.text_of_tokens(
            tokens,
            tokenizer.get_vocab_size(),
            tokenizer.decode,
            lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
            around=special,
        )

    def _embed(self, texts: Sequence[str]) -> Vectors:
        if self._table is None:
            raise orbit.ProviderError("the weights are not loaded", kind="unavailable")
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False) if texts else []
        return pool(self._table, [one.ids for one in encoded])

    def _folders(self) -> list[Path]:
        own = [Path(self.settings.weights_dir).expanduser()] if self.settings.weights_dir else []
        bundled = package_dir()
        return [*own, bundled] if bundled else own


def _load(settings: WordLlamaSettings, folders: list[Path]) -> tuple[Vectors, Any]:
    """Read the files. WordLlama searches its own package first, then ``cache_dir``; it never downloads here."""
    word_llama = _import_quietly()
    model = word_llama.load(
        settings.model,
        cache_dir=folders[0],
        dim=find_weights(folders, settings.model, settings.dimension),
        trunc_dim=settings.dimension,
        disable_download=True,
    )
    model.tokenizer.no_padding()
    return model.embedding, model.tokenizer


def _import_quietly() -> Any:
    """Import WordLlama without its ``logging.basicConfig``, which has no effect on a root logger with a handler."""
    root, guard = logging.getLogger(), logging.NullHandler()
    root.addHandler(guard)
    try:
        from wordllama import WordLlama  # type: ignore[import-untyped] # noqa: PLC0415 - ships no types; slow to import
    finally:
        root.removeHandler(guard)
    return WordLlama
