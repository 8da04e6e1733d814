"""What the provider and the engine say to each other."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from orbit.types import Message


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one answer's tokens are drawn, every choice made."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int | None = None
    grammar: str = ""


class Generate(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Answer a conversation. ``key`` names whose request it is, for fairness."""

    id: int
    messages: tuple[Message, ...]
    sampling: Sampling
    max_tokens: int
    stop: tuple[str, ...] = ()
    key: str = ""


class Count(msgspec.Struct, frozen=True, tag=True):
    """Count the tokens of a conversation as ``Generate`` would read it."""

    id: int
    messages: tuple[Message, ...]


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Stop the request with this id; nothing more is said about it."""

    id: int


class Delta(msgspec.Struct, frozen=True, tag=True):
    """New text of an answer."""

    is_last: ClassVar[bool] = False
    id: int
    text: str


class Finished(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The end of an answer, with its last text. ``cached_tokens`` of the prompt did not have to be read again."""

    is_last: ClassVar[bool] = True
    id: int
    reason: Literal["stop", "length"]
    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


class Counted(msgspec.Struct, frozen=True, tag=True):
    """The number of tokens of a conversation."""

    is_last: ClassVar[bool] = True
    id: int
    tokens: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A request could not be done. ``too_long``: the prompt exceeds the window; ``refused``: it makes no sense."""

    is_last: ClassVar[bool] = True
    id: int
    kind: Literal["too_long", "refused", "failed"]
    message: str


Command: TypeAlias = Generate | Count | Cancel
Event: TypeAlias = Delta | Finished | Counted | Failed
