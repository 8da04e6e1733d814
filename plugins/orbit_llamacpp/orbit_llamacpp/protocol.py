"""The protocol between the provider and its engine: commands, events and their frames."""

from __future__ import annotations

import struct
from typing import ClassVar, Final, Literal, TypeAlias

import msgspec

from orbit import Message, ToolCall
from orbit_llamacpp.settings import LlamaCppSettings


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sampling options of one answer, without defaults. ``grammar`` is GBNF, and empty for none."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    grammar: str = ""


class Start(msgspec.Struct, frozen=True, tag=True):
    """Loads a model. The first command, sent once; answered by ``Ready`` or ``Failed``."""

    path: str
    settings: LlamaCppSettings
    id: int = 0


class Generate(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Answers a conversation. ``key`` is the API key's id, for fairness; ``schema`` is a JSON schema in JSON.

    ``whole``: the client does not stream. ``tools`` are those of OpenAI's API in JSON, empty for none; ``must_call``
    demands a call, of ``tool`` if that is named; ``parallel`` allows several.
    """

    id: int
    messages: tuple[Message, ...]
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...] = ()
    key: str = ""
    schema: str = ""
    whole: bool = False
    tools: str = ""
    must_call: bool = False
    tool: str = ""
    parallel: bool = True


class Count(msgspec.Struct, frozen=True, tag=True):
    """Counts the tokens of a conversation as ``Generate`` would read it."""

    id: int
    messages: tuple[Message, ...]
    tools: str = ""


class Embed(msgspec.Struct, frozen=True, tag=True):
    """Embeds texts. ``special``: names of special tokens in them, such as ``[UNK]``, are these tokens."""

    id: int
    texts: tuple[str, ...]
    special: bool = False


class EmbedTokens(msgspec.Struct, frozen=True, tag=True):
    """Embeds the texts of token ids, after a prefix; answered like ``Embed``."""

    id: int
    tokens: tuple[tuple[int, ...], ...]
    prefix: str = ""


class GetStats(msgspec.Struct, frozen=True, tag=True):
    """Requests the engine's counters."""

    id: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Stops the request with this id; no further events follow."""

    id: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded.

    ``window`` is the size of one conversation in tokens, ``dimension`` that of its vectors or 0. ``notices`` are for
    the operator.
    """

    is_last: ClassVar[bool] = True
    id: int
    window: int
    dimension: int
    notices: tuple[str, ...] = ()


class Delta(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """New text of an answer, and of the thoughts before it."""

    is_last: ClassVar[bool] = False
    id: int
    text: str
    reasoning: str = ""


class Finished(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The end of an answer, with its last text. ``cached_tokens`` of the prompt did not have to be read again."""

    is_last: ClassVar[bool] = True
    id: int
    reason: Literal["stop", "length"]
    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class Counted(msgspec.Struct, frozen=True, tag=True):
    """The number of tokens of a conversation."""

    is_last: ClassVar[bool] = True
    id: int
    tokens: int


class Embedded(msgspec.Struct, frozen=True, tag=True):
    """The vectors, as the bytes of a little-endian float32 array of shape ``(texts, dimension)``.

    ``split`` has the indices of texts that were longer than the model's window.
    """

    is_last: ClassVar[bool] = True
    id: int
    vectors: bytes
    split: tuple[int, ...] = ()


class Stats(msgspec.Struct, tag=True):
    """The engine's counters since its start, and its current load.

    Answers ``GetStats``. The engine also sends it unrequested, with id 0, at the end of work and once a second during
    work. ``decode_steps`` counts decoded batches, ``decoded_tokens`` the resulting tokens: their ratio is the batch
    occupancy. ``prompt_tokens`` were read, ``cached_tokens`` reused instead. Times are in seconds.
    """

    is_last: ClassVar[bool] = True
    id: int = 0
    parallel: int = 0
    running: int = 0
    queued: int = 0
    requests: int = 0
    cancelled: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    prefix_hits: int = 0
    decoded_tokens: int = 0
    decode_steps: int = 0
    prompt_seconds: float = 0.0
    decode_seconds: float = 0.0
    snapshots: int = 0
    snapshot_bytes: int = 0
    embedded_texts: int = 0
    split_texts: int = 0


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A request failed.

    ``too_long``: the prompt exceeds the window; ``rejected``: the request is wrong, and its sender must change it;
    ``refused``: this model cannot serve it; ``crashed``: the engine's process died. ``option`` is that of
    ``ProviderError``.
    """

    is_last: ClassVar[bool] = True
    id: int
    kind: Literal["too_long", "rejected", "refused", "failed", "crashed"]
    message: str
    option: str = ""


Command: TypeAlias = Start | Generate | Count | Embed | EmbedTokens | GetStats | Cancel
Event: TypeAlias = Ready | Delta | Finished | Counted | Embedded | Stats | Failed

UNASKED: Final = 0
"""The id of events that answer no command except the first."""

HEADER: Final = struct.Struct("<I")
"""Precedes every frame: its length in bytes."""

_encoder = msgspec.msgpack.Encoder()
_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_events = msgspec.msgpack.Decoder(list[Event])


def encode(content: Command | list[Event]) -> bytes:
    """Encode one frame: a command, or the events of one step together."""
    body = _encoder.encode(content)
    return HEADER.pack(len(body)) + body


def decode_command(body: bytes) -> Command:
    """Decode a frame's body in the engine."""
    return _commands.decode(body)


def decode_events(body: bytes) -> list[Event]:
    """Decode a frame's body in the provider."""
    return _events.decode(body)
