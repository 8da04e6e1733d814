"""Texts that a client sends as token ids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from orbit.errors import ProviderError

_CHANGED = 20
"""One id in this many may change: a text that was cut within a word has other ids there when it is read again."""


def text_of_tokens(
    tokens: Sequence[int],
    size: int,
    decode: Callable[[Sequence[int]], str],
    encode: Callable[[str], Collection[int]],
    around: Collection[int] = (),
) -> str:
    """Return the text of token ids.

    ``size`` is that of the vocabulary; ``decode`` and ``encode`` are its tokenizer's. Ids in ``around``, such as
    ``[CLS]`` and ``[PAD]``, are left out. Raises ProviderError of kind ``rejected`` for ids of another vocabulary: what
    they are here is another text, which has other ids when it is read again.
    """
    if all(0 <= token < size for token in tokens):
        left_out = frozenset(around)
        inside = [token for token in tokens if token not in left_out]
        text = decode(inside)
        if len(set(inside).difference(encode(text))) * _CHANGED <= len(inside):
            return text
    raise ProviderError(
        "the token ids of a request are not of this model's vocabulary.",
        kind="rejected",
        option="tokens",
        client=(
            "The input has token ids of another vocabulary than the embedding model's. Send text instead; LangChain's "
            "OpenAIEmbeddings does with check_embedding_ctx_length=False."
        ),
    )
