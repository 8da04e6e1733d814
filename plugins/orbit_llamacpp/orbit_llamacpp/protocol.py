"""What the provider and its engine say to each other, and how it travels between their processes."""

from __future__ import annotations

import struct
from typing import ClassVar, Final, Literal, TypeAlias

import msgspec

from orbit import Message
from orbit_llamacpp.settings import LlamaCppSettings


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one answer's tokens are drawn, every choice made. ``grammar`` is GBNF, and empty for none."""

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
    """Load a model. The first command, once; answered by ``Ready`` or ``Failed``."""

    path: str
    settings: LlamaCppSettings
    id: int = 0


class Generate(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Answer a conversation. ``key`` names whose request it is, for fairness; ``schema`` is a JSON schema in JSON.

    ``whole``: nobody wants the answer in pieces.
    """

    id: int
    messages: tuple[Message, ...]
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...] = ()
    key: str = ""
    schema: str = ""
    whole: bool = False


class Count(msgspec.Struct, frozen=True, tag=True):
    """Count the tokens of a conversation as ``Generate`` would read it."""

    id: int
    messages: tuple[Message, ...]


class Embed(msgspec.Struct, frozen=True, tag=True):
    """Turn texts into vectors."""

    id: int
    texts: tuple[str, ...]


class GetStats(msgspec.Struct, frozen=True, tag=True):
    """Ask for the engine's counters."""

    id: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Stop the request with this id; nothing more is said about it."""

    id: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded. ``window`` is what one conversation may hold, ``dimension`` that of its vectors or 0.

    ``notices`` are what the operator should know.
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


class Counted(msgspec.Struct, frozen=True, tag=True):
    """The number of tokens of a conversation."""

    is_last: ClassVar[bool] = True
    id: int
    tokens: int


class Embedded(msgspec.Struct, frozen=True, tag=True):
    """The vectors, as the bytes of a little-endian float32 array of shape ``(texts, dimension)``.

    ``split`` of the texts were longer than the model's window.
    """

    is_last: ClassVar[bool] = True
    id: int
    vectors: bytes
    split: int = 0


class Stats(msgspec.Struct, tag=True):
    """What the engine has done since it started, and what it is doing.

    The answer to ``GetStats``, and told unasked, with id 0, when work is done and once a second while it goes on.
    ``decode_steps`` is how often a batch was decoded, ``decoded_tokens`` how many tokens that gave: their ratio is
    the occupancy. ``prompt_tokens`` were read, ``cached_tokens`` reused instead. Times are in seconds.
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
    """A request could not be done.

    ``too_long``: the prompt exceeds the window; ``rejected``: nobody could do this request, its sender must change it;
    ``refused``: this model cannot do it; ``crashed``: the engine's process died.
    """

    is_last: ClassVar[bool] = True
    id: int
    kind: Literal["too_long", "rejected", "refused", "failed", "crashed"]
    message: str


Command: TypeAlias = Start | Generate | Count | Embed | GetStats | Cancel
Event: TypeAlias = Ready | Delta | Finished | Counted | Embedded | Stats | Failed

UNASKED: Final = 0
"""The id of an event that answers no command but the first."""

HEADER: Final = struct.Struct("<I")
"""Before every frame: its length in bytes."""

_encoder = msgspec.msgpack.Encoder()
_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_events = msgspec.msgpack.Decoder(list[Event])


def encode(content: Command | list[Event]) -> bytes:
    """One frame: a command, or the events of one step together."""
    body = _encoder.encode(content)
    return HEADER.pack(len(body)) + body


def decode_command(body: bytes) -> Command:
    """A frame's body as the engine reads it."""
    return _commands.decode(body)


def decode_events(body: bytes) -> list[Event]:
    """A frame's body as the provider reads it."""
    return _events.decode(body)
