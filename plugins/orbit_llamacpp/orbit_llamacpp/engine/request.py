"""One request on its way through the engine."""

from __future__ import annotations

from orbit_llamacpp.engine.sampling import Sampler
from orbit_llamacpp.engine.text import TextStream
from orbit_llamacpp.protocol import Generate, Sampling


class Request:
    """A prompt in tokens, and how far its reading and answering have come.

    ``position`` counts the tokens in memory; below ``len(prompt)`` the prompt is still being read.
    """

    def __init__(self, command: Generate, prompt: list[int], limit: int, sampling: Sampling, text: TextStream) -> None:
        """``limit`` is the longest answer in tokens, thoughts included; ``text`` makes text of them."""
        self.id = command.id
        self.key = command.key
        self.prompt = prompt
        self.limit = limit
        self.sampling = sampling
        self.text = text
        self.sampler: Sampler | None = None
        self.sequence = -1
        self.position = 0
        self.cached = 0
        self.written = 0
        self.next_token = -1
        self.forced: list[int] = []  # the next tokens, whatever the model would rather say
        self.previous: list[int] = []  # what the sequence held before this request

    @property
    def reading(self) -> bool:
        """Whether the prompt is not read to its end."""
        return self.position < len(self.prompt)

    @property
    def started(self) -> bool:
        """Whether anything of it is in memory."""
        return self.position > 0

    def close(self) -> None:
        """Free what the request holds outside of the context."""
        if self.sampler is not None:
            self.sampler.close()
            self.sampler = None
