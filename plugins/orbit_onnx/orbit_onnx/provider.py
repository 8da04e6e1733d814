"""The provider: loads the models once, then embeds and reranks in threads of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

import msgspec

import orbit
from orbit_onnx.cross_encoder import CrossEncoder
from orbit_onnx.folder import FolderError
from orbit_onnx.models import check_model, folder_of, load_model, name_of

if TYPE_CHECKING:
    from orbit import EmbedKind, Vectors
    from orbit_onnx.encoder import Encoded, Encoder

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S", bound=Sized)

SLICE_CHARS = 2_000
"""Characters of passages that one thread reads before others get their turn."""


class OnnxSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of an ``onnx:`` section."""

    model: Annotated[
        str,
        msgspec.Meta(
            description="Model that embeds: `minilm` (English), `multilingual` (16 languages), a folder in the "
            "layout of sentence-transformers, or an .onnx file in one; empty for none."
        ),
    ] = "minilm"
    reranker: Annotated[
        str, msgspec.Meta(description="Folder or .onnx file of a cross-encoder that reranks; empty for none.")
    ] = ""
    query_prefix: Annotated[
        str | None, msgspec.Meta(description="Prefix of questions; null for the one that the model's folder names.")
    ] = None
    document_prefix: Annotated[
        str | None, msgspec.Meta(description="Prefix of passages; null for the one that the model's folder names.")
    ] = None
    max_tokens: Annotated[
        int, msgspec.Meta(ge=0, description="Most tokens read at once; 0 for what the model's folder says.")
    ] = 0
    threads: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(description="Passages read at the same time; null for one per processor."),
    ] = None


_SCALES = {
    "minilm": orbit.Calibration(0.2, 0.8, weight=0.5, scripts=("LATIN",), languages=("en",)),
    "multilingual": orbit.Calibration(
        0.0, 0.8, weight=0.5, scripts=("LATIN", "CYRILLIC", "ARABIC", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI")
    ),
}
"""By model, as bench/quality.py fuses best."""


class OnnxProvider(orbit.Provider):
    """Embeds and reranks with small models on the CPU, offline."""

    Settings = OnnxSettings
    settings: OnnxSettings

    def __init__(self, name: str, settings: msgspec.Struct, host: orbit.Host) -> None:
        """Store the arguments; ``__aenter__`` loads the models."""
        super().__init__(name, settings, host)
        self._encoder: Encoder | None = None
        self._reranker: CrossEncoder | None = None
        self._lanes: tuple[ThreadPoolExecutor, ...] = ()

    async def __aenter__(self) -> Self:
        """Load the models. Raises ConfigError."""
        settings = self.settings
        try:
            if settings.model:
                prefixes = (settings.query_prefix, settings.document_prefix)
                self._encoder = await asyncio.to_thread(load_model, settings.model, settings.max_tokens, prefixes)
            if settings.reranker:
                self._reranker = await asyncio.to_thread(lambda: CrossEncoder(folder_of(settings.reranker)))
        except FolderError as error:
            raise orbit.ConfigError([orbit.Problem(self.name, f"{error}.")]) from error
        # Questions have a thread of their own, so that they never wait behind the passages of an ingestion.
        self._lanes = (
            ThreadPoolExecutor(1, thread_name_prefix=f"{self.name}-questions"),
            ThreadPoolExecutor(settings.threads or os.cpu_count() or 1, thread_name_prefix=f"{self.name}-passages"),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the threads and release the models."""
        lanes, self._lanes = self._lanes, ()
        for lane in lanes:
            await asyncio.to_thread(lane.shutdown, cancel_futures=True)
        self._encoder = self._reranker = None

    def validate(self) -> Iterable[str]:
        """Check the folders without loading a model."""
        if not self.settings.model and not self.settings.reranker:
            yield "it has neither a model that embeds nor a reranker; set model or reranker"
        for setting, check in (("model", check_model), ("reranker", folder_of)):
            if value := getattr(self.settings, setting):
                try:
                    check(value)
                except FolderError as error:
                    yield f"{setting}: {error}"

    def offers(self, hook: str) -> bool:
        """Return whether a model for ``hook`` is configured."""
        model = self.settings.model
        able = {"embed": model, "embed_tokens": model not in ("", "multilingual"), "rerank": self.settings.reranker}
        return bool(able.get(hook, True))

    def model(self, hook: str) -> str:
        """Return the name of the model, for logs and for the collections that it embeds."""
        return self._reranker_name if hook == "rerank" else self._model_name

    @cached_property
    def _model_name(self) -> str:
        """Read once: every question needs it, and a folder may have megabytes of tokenizer to read."""
        return name_of(self.settings.model) if self.settings.model else ""

    @cached_property
    def _reranker_name(self) -> str:
        return name_of(self.settings.reranker) if self.settings.reranker else ""

    def calibration(self, hook: str) -> orbit.Calibration | None:
        """Return the scale of the cosine similarities of the models in packages; others are unknown."""
        return _SCALES.get(self.settings.model) if hook == "embed" else None

    @orbit.hookimpl
    async def embed(self, texts: Sequence[str], kind: EmbedKind, context: orbit.CallContext) -> Vectors:
        """Embed texts: rows of length 1."""
        import numpy as np  # noqa: PLC0415  # importing a plugin stays light

        encoder = self._started(self._encoder)
        question = kind == "query"
        encode = partial(encoder.encode, question=question)
        encoded: list[Encoded] = await self._each(encode, texts, self._lanes[0 if question else 1])
        if context.notices is not None:
            context.notices.extend(
                orbit.Notice(text, one.shortened) for text, one in zip(texts, encoded, strict=True) if one.shortened
            )
        if not encoded:
            return np.zeros((0, encoder.dimension), dtype=np.float32)
        return np.stack([one.vector for one in encoded])

    @orbit.hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]], context: orbit.CallContext) -> Vectors:
        """Embed the texts of token ids. The multilingual model cannot: its package does not turn ids into text."""
        encoder = self._started(self._encoder)
        texts = await self._each(encoder.text_of, tokens, self._lanes[1])
        return await self.embed(texts, "document", context)

    @orbit.hookimpl
    async def rerank(
        self, query: orbit.Query, documents: Sequence[orbit.Document], limit: int
    ) -> Sequence[orbit.Document]:
        """Order documents by the cross-encoder's scores. Documents with equal scores keep their order."""
        reranker = self._started(self._reranker)
        if len(documents) < 2:  # noqa: PLR2004  # there is no order to improve
            return list(documents[:limit])
        passages = [f"{document.title}\n{document.text}" if document.title else document.text for document in documents]
        scores = await self._each(partial(reranker.score, query.text), passages, self._lanes[1])
        ranked = sorted(zip(scores, documents, strict=True), key=lambda pair: -pair[0])
        return [msgspec.structs.replace(document, score=score) for score, document in ranked[:limit]]

    def _started(self, model: T | None) -> T:
        if model is None:
            raise orbit.ProviderError("the model is not loaded", kind="unavailable")
        return model

    async def _each(self, work: Callable[[S], R], texts: Sequence[S], lane: ThreadPoolExecutor) -> list[R]:
        """Do work for each text, in the threads of a lane. Cancelling it drops what has not begun."""
        loop = asyncio.get_running_loop()
        slices = [loop.run_in_executor(lane, lambda part: list(map(work, part)), part) for part in _sliced(texts)]
        try:
            return [result for part in await asyncio.gather(*slices) for result in part]
        finally:
            for future in slices:
                future.cancel()


def _sliced(texts: Sequence[S]) -> list[list[S]]:
    slices: list[list[S]] = []
    room = 0
    for text in texts:
        if not slices or room < len(text):
            slices.append([])
            room = SLICE_CHARS
        slices[-1].append(text)
        room -= len(text)
    return slices
