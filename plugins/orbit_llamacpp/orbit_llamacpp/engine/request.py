"""The state of one request in the engine."""

from __future__ import annotations

from orbit_llamacpp.engine.sampling import Sampler
from orbit_llamacpp.engine.text import TextStream
from orbit_llamacpp.protocol import Generate, Sampling


class Request:
    """A prompt in tokens, and the progress of reading and answering it.

    ``position`` counts the tokens in memory; while it is below ``len(prompt)``, the prompt is still being read.
    """

    def __init__(self, command: Generate, prompt: list[int], limit: int, sampling: Sampling, text: TextStream) -> None:
        """Set ``limit``, the longest answer in tokens including thoughts, and ``text``, which decodes the tokens."""
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
        self.forced: list[int] = []  # the next tokens, whatever the model would prefer
        self.previous: list[int] = []  # what the sequence held before this request

    @property
    def reading(self) -> bool:
        """Whether the prompt is still being read."""
        return self.position < len(self.prompt)

    @property
    def started(self) -> bool:
        """Whether any of it is in memory."""
        return self.position > 0

    def close(self) -> None:
        """Free what the request holds outside the context."""
        if self.sampler is not None:
            self.sampler.close()
            self.sampler = None
