"""Which requests have an answer to keep, what makes two of them equal, and the pieces of an answer."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from orbit import CallContext, Chunk, Document, GenerateOptions, Message

_FINISHED: Final = ("stop", "length")
"""How an answer ends that another request would get too."""
_PIECE_BYTES: Final = 400
"""Memory of a piece beside its text."""

Answer = tuple[Chunk, ...]


def is_cacheable(messages: Sequence[Message], options: GenerateOptions, *, sampled: bool) -> bool:
    """Return whether a request may get the answer of an earlier one.

    Tools act on the world, and their calls have ids of their own. A client that names a temperature above 0 without a
    seed wants another answer each time; ``sampled`` says that it gets the same nevertheless.
    """
    if options.tools or any(message.tool_calls or message.role == "tool" for message in messages):
        return False
    return sampled or not options.temperature or options.seed is not None


def key_of(
    provider: str,
    messages: Sequence[Message],
    options: GenerateOptions,
    context: CallContext,
    question: str,
    documents: Sequence[Document],
) -> bytes:
    """Return the digest of all that decides an answer. Raises TypeError for options that JSON cannot hold.

    That is the API key and its groups, the provider, the whole prompt with its passages, and the options apart from
    ``stream``.
    """
    passages = [(document.id, document.digest) for document in documents]
    options = msgspec.structs.replace(options, stream=False)
    asked = (context.key_id, sorted(context.groups), provider, messages, options, question, passages)
    return hashlib.blake2b(msgspec.msgpack.encode(asked), digest_size=32).digest()


class Recording:
    """Takes down the pieces of an answer. Pieces of text alone become one."""

    def __init__(self) -> None:
        self._pieces: list[Chunk] = []
        self._text: list[str] = []
        self._says_something = False
        self._finished = False

    def add(self, chunk: Chunk) -> None:
        """Take a piece."""
        self._says_something = self._says_something or bool(chunk.text.strip())
        self._finished = self._finished or chunk.finish_reason in _FINISHED
        if chunk == Chunk(chunk.text):
            self._text.append(chunk.text)
        else:
            self._flush()
            self._pieces.append(chunk)

    def answer(self) -> Answer | None:
        """Return the answer; None if it is incomplete, empty or calls tools."""
        self._flush()
        if not (self._finished and self._says_something) or any(piece.tool_calls for piece in self._pieces):
            return None
        return tuple(_from_cache(piece) for piece in self._pieces)

    def _flush(self) -> None:
        if self._text:
            self._pieces.append(Chunk("".join(self._text)))
            self._text.clear()


def _from_cache(piece: Chunk) -> Chunk:
    """Return a piece as it is replayed: the model reads nothing, so all tokens of the prompt are cached ones."""
    if piece.usage is None:
        return piece
    usage = msgspec.structs.replace(piece.usage, cached_tokens=piece.usage.prompt_tokens)
    return msgspec.structs.replace(piece, usage=usage)


def size_of(answer: Answer) -> int:
    """Return about how many bytes of memory an answer takes."""
    text = sum(4 * (len(piece.text) + len(piece.reasoning)) + 200 * len(piece.logprobs) for piece in answer)
    return text + _PIECE_BYTES * (len(answer) + 1)
