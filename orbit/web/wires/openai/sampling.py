"""The parameters that all requests for text share, with OpenAI's names and those of other servers of its API."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta


class SamplingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How the model chooses its tokens, and whether the answer is streamed."""

    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, description="The same, as llama.cpp calls it.")] | None = None

    def options(self) -> dict[str, Any]:
        """Return the fields of ``GenerateOptions`` that the request sets."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repeat_penalty": self.repetition_penalty or self.repeat_penalty,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "seed": self.seed,
            "stop": tuple(filter(None, given)),  # an empty one would end every answer before it begins
            "stream": bool(self.stream),
            "strict": True,
        }
