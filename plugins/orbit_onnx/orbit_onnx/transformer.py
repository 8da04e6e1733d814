"""Embeds with a transformer in ONNX: tokens, one run of the model, pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orbit import text_of_tokens
from orbit_onnx.encoder import Encoded, normalized
from orbit_onnx.folder import Folder, FolderError
from orbit_onnx.session import Session, around, load_tokenizer

if TYPE_CHECKING:
    from orbit import Vectors

MOST_PARTS = 16
"""Parts of a long text that are read."""
_CHARS_PER_TOKEN = 16
"""More characters than tokens ever have on average, to cut huge texts before they are tokenized."""
_POOLED = ("sentence_embedding", "text_embeds", "pooled_embedding")
"""Names of outputs that are a text's vector already."""


class TransformerEncoder:
    """An ONNX export of a sentence-transformers model.

    Texts are read one at a time: batches are no faster on a CPU beyond a dozen tokens, and in quantized models a vector
    would depend on the other texts of the batch.
    """

    def __init__(
        self, folder: Folder, max_tokens: int = 0, prefixes: tuple[str | None, str | None] = (None, None)
    ) -> None:
        """Load a model. ``prefixes`` are those of questions and passages; None for the folder's. Raises FolderError."""
        self._session = Session(folder.model)
        self._tokenizer = load_tokenizer(folder.tokenizer)
        self._max_tokens = min(max_tokens, folder.max_tokens) if max_tokens else folder.max_tokens
        self._tokenizer.enable_truncation(self._max_tokens)
        self._around = around(self._tokenizer)
        given = zip(prefixes, (folder.query_prefix, folder.document_prefix), strict=True)
        self._prefixes = [theirs if own is None else own for own, theirs in given]
        pooled = [name for name in self._session.outputs if name in _POOLED]
        self._output = pooled[0] if pooled else next(iter(self._session.outputs))
        shape = self._session.outputs[self._output]
        self._pooling = folder.pooling if len(shape) == 3 else ""  # noqa: PLR2004  # batch, tokens, dimension
        if self._pooling == "dense":
            raise FolderError(f"{folder.model} lacks the Dense layer of its folder; export both with Optimum")
        self.dimension = len(self.encode("dimension", question=True).vector)

    def encode(self, text: str, *, question: bool) -> Encoded:
        """Embed one text; a long one in parts, whose vectors are averaged by their tokens."""
        import numpy as np  # noqa: PLC0415  # importing a plugin stays light

        prefix = self._prefixes[0 if question else 1]
        longest = MOST_PARTS * self._max_tokens * _CHARS_PER_TOKEN
        first = self._tokenizer.encode(prefix + text[:longest].encode("utf-8", "replace").decode())
        parts = [first, *first.overflowing[: MOST_PARTS - 1]]
        if len(parts) == 1 and not first.overflowing:
            return Encoded(normalized(self._vector(first)))
        vectors = np.stack([normalized(self._vector(part)) for part in parts])
        vector = normalized(np.average(vectors, axis=0, weights=[len(part.ids) for part in parts]))
        how = f"longer than the {self._max_tokens} tokens that the embedding model reads, so it was read in parts"
        if len(first.overflowing) >= MOST_PARTS or len(text) > longest:
            how += f", and only the first {MOST_PARTS} of them"
        return Encoded(vector, how)

    def text_of(self, tokens: Sequence[int]) -> str:
        """Return the text of token ids. Raises ProviderError if they are not of this model's vocabulary."""
        tokenizer = self._tokenizer

        def decode(ids: Sequence[int]) -> str:
            return str(tokenizer.decode(ids, skip_special_tokens=False))

        def encode(text: str) -> set[int]:
            first = tokenizer.encode(text)
            return {token for part in (first, *first.overflowing) for token in part.ids}

        return text_of_tokens(tokens, tokenizer.get_vocab_size(), decode, encode, self._around)

    def _vector(self, encoding: Any) -> Vectors:
        given = self._session.run(encoding, self._output)
        return pool(given, self._pooling) if self._pooling else given


def pool(tokens: Vectors, pooling: str) -> Vectors:
    """Return one vector for token vectors of shape ``(tokens, dimension)``; see ``folder.POOLINGS``."""
    import numpy as np  # noqa: PLC0415  # importing a plugin stays light

    pooled: Vectors
    match pooling:
        case "cls":
            pooled = tokens[0]
        case "lasttoken":
            pooled = tokens[-1]
        case "max":
            pooled = tokens.max(axis=0)
        case "weightedmean":
            pooled = np.average(tokens, axis=0, weights=np.arange(1, len(tokens) + 1)).astype(np.float32)
        case _:  # both kinds of mean have one direction
            pooled = tokens.mean(axis=0)
    return pooled
