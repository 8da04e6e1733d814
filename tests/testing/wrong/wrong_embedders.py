"""Wrong in `embed`."""

from __future__ import annotations

import asyncio
import itertools
import time
import zlib
from collections.abc import Sequence
from typing import Any

from wrong_kit import Right, Wrong, swallow

import orbit
from orbit import hookimpl


def rows(texts: Sequence[str]) -> Any:
    """Vectors by the words of a text."""
    import numpy as np

    vectors = np.zeros((len(texts), 32), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            vectors[row, zlib.crc32(word.encode()) % 32] += 1
    return vectors


WORDS = ("tea", "is", "steeped")


def read(ids: Sequence[int]) -> str:
    return orbit.text_of_tokens(
        ids,
        len(WORDS),
        lambda inside: " ".join(WORDS[one] for one in inside),
        lambda text: [WORDS.index(word) for word in text.split()],
    )


class RightEmbedder(Right):
    @hookimpl
    async def embed(self, texts: Sequence[str], kind: str) -> Any:
        await self.work()
        return rows(texts)

    @hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]]) -> Any:
        return rows([read(ids) for ids in tokens])


class OtherText(RightEmbedder):
    @hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]]) -> Any:
        return rows([str(ids) for ids in tokens])


class AnyVocabulary(RightEmbedder):
    @hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]]) -> Any:
        return rows([" ".join(WORDS[one % len(WORDS)] for one in ids) for ids in tokens])


class BlamesItself(RightEmbedder):
    @hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]]) -> Any:
        try:
            return rows([read(ids) for ids in tokens])
        except orbit.ProviderError as error:
            raise orbit.ProviderError(error.message) from error


class Indexes(RightEmbedder):
    @hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]]) -> Any:
        return rows([" ".join(WORDS[one] for one in ids) for ids in tokens])


class Hidden(RightEmbedder):
    def offers(self, hook: str) -> bool:
        return False


class Lists(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(texts).tolist()


class Doubles(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(texts).astype("float64")


class Flat(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(texts).ravel()


class NotNumbers(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(texts) * float("nan")


class AllZeros(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(texts) * 0


class Sorted(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(sorted(texts))


class Same(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(["same"] * len(texts))


_CALLS = itertools.count()


class Random(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        vectors = rows(texts)
        for row in range(len(texts)):
            vectors[row, next(_CALLS) % 32] += 100
        return vectors


class TwoModels(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str], kind: str) -> Any:
        return rows(texts)[:, : 16 if kind == "query" else 32]


class NeedsTexts(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        longest = max(len(text) for text in texts)
        return rows([text.ljust(longest) for text in texts])


class LosesEmpty(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows([text for text in texts if text.strip()])


class DividesByZero(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(texts) * (1 / len(texts[0].split()))


class FirstBatch(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(texts[:128])


class Prefixes(RightEmbedder):
    @hookimpl
    async def embed(self, texts: list[str]) -> Any:
        texts[:] = [f"passage: {text}" for text in texts]
        return rows(texts)


class Shares(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        self.texts = texts
        await asyncio.sleep(0)
        return rows(self.texts)


class Stubborn(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        await swallow()
        return rows(texts)


class Hasty(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str], context: orbit.CallContext) -> Any:
        if context.remaining() == 0:
            raise ValueError("timeout must be positive")
        return rows(texts)


class Blocks(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        time.sleep(0.13)  # noqa: ASYNC251  # the fault
        return rows(texts)


class Detaches(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(2), name="cache")
        return rows(texts)


class Zeros(RightEmbedder):
    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        return rows(texts) if self.settings.up else rows([""] * len(texts))


WRONG = (
    Wrong("test_embed_is_offered", Hidden, "the host does not see it"),
    Wrong("test_embed_returns_float32_rows", Lists, "it returned a list"),
    Wrong("test_embed_returns_float32_rows", Doubles, "it returned float64 of shape (3, 32) for 3 texts"),
    Wrong("test_embed_returns_float32_rows", Flat, "it returned float32 of shape (96,)"),
    Wrong("test_embed_returns_float32_rows", NotNumbers, "there are NaN"),
    Wrong("test_embed_returns_float32_rows", AllZeros, "a row is all zeros"),
    Wrong("test_embed_keeps_the_order", Sorted, "row 0 is not the vector that its text has alone"),
    Wrong("test_embed_tells_texts_apart", Same, "two texts got one vector"),
    Wrong("test_embed_tells_texts_apart", Random, "one text got two vectors"),
    Wrong("test_embed_has_one_dimension", TwoModels, "they have 16 and 32"),
    Wrong("test_embed_takes_no_texts", NeedsTexts, "the call raised ValueError"),
    Wrong("test_embed_takes_any_text", LosesEmpty, "of '' it made"),
    Wrong("test_embed_takes_any_text", DividesByZero, "the call raised ZeroDivisionError"),
    Wrong("test_embed_takes_many_texts", FirstBatch, "of 200 texts it made 128 vectors"),
    Wrong("test_embed_leaves_texts_alone", Prefixes, "the call changed the list"),
    Wrong("test_embed_side_by_side", Shares, "a call got another result"),
    Wrong("test_embed_can_be_cancelled", Stubborn, "the call went on for"),
    Wrong("test_embed_keeps_deadlines", Hasty, "the call raised ValueError: timeout must be positive"),
    Wrong("test_embed_leaves_the_loop_free", Blocks, "nothing else could run for"),
    Wrong("test_embed_leaves_nothing_running", Detaches, "the task 'cache' still ran"),
    Wrong("test_embed_tokens_is_embed_of_their_text", OtherText, "another vector came"),
    Wrong("test_embed_tokens_refuses_other_vocabularies", AnyVocabulary, "the call returned a"),
    Wrong("test_embed_tokens_refuses_other_vocabularies", BlamesItself, "the error has kind='failed'"),
    Wrong("test_embed_tokens_refuses_other_vocabularies", Indexes, "the call raised IndexError"),
    Wrong("test_embed_while_down", Zeros, "an empty result is a lie here"),
)
