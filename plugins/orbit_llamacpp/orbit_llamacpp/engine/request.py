"""The state of one request in the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orbit import ToolCall
from orbit_llamacpp.engine.grammar import grammar_of_calls
from orbit_llamacpp.engine.sampling import Sampler
from orbit_llamacpp.engine.text import TextStream
from orbit_llamacpp.protocol import Generate, Sampling
from orbit_llamacpp.tool_format import ToolFormat


class Calls:
    """The tools that an answer may call, and the grammar of a call from the text on with which it begins."""

    def __init__(self, form: ToolFormat, tools: Sequence[Mapping[str, Any]], *, parallel: bool) -> None:
        self.form = form
        self._tools = tools
        self._parallel = parallel
        self.held = False
        """Whether the grammar holds the answer now."""

    def grammar(self, begun: str) -> str:
        """Return the grammar of what follows the beginning of a call; empty if it is none. Raises SchemaError."""
        rest = self.form.opening.lstrip()
        begun = begun.lstrip()
        if not rest.startswith(begun):  # models put spaces elsewhere
            marker = self.form.marker
            tail, rest = begun.removeprefix(marker).lstrip(), rest.removeprefix(marker).lstrip()
            if not rest.startswith(tail):
                return ""
            begun = tail
        return grammar_of_calls(self.form, self._tools, opening=rest[len(begun) :], parallel=self._parallel)

    def found(self, text: str) -> tuple[ToolCall, ...]:
        """Return the complete calls in a text."""
        return tuple(self.form.calls(text, [tool["function"]["name"] for tool in self._tools]))


class Request:
    """A prompt in tokens, and the progress of reading and answering it.

    ``position`` counts the tokens in memory. The prompt's last token is decoded like those of the answer, in one batch
    with theirs: it is the first ``next_token``.
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
        self.calls: Calls | None = None
        self.sequence = -1
        self.position = 0
        self.cached = 0
        self.written = 0
        self.next_token = prompt[-1]
        self.forced: list[int] = []  # the next tokens, whatever the model would prefer
        self.previous: list[int] = []  # what the sequence held before this request

    @property
    def begun(self) -> bool:
        """Whether it has its sequence's memory: reading it, or answering, has begun."""
        return self.sampler is not None

    @property
    def rest(self) -> int:
        """How many tokens of the prompt are still to be read before its last one."""
        return max(0, len(self.prompt) - 1 - self.position)

    @property
    def read(self) -> list[int]:
        """The tokens in memory that other prompts may reuse: those read together, not decoded one by one."""
        count = min(self.position, len(self.prompt) - 1)
        return self.prompt[:count] if count > 1 else []

    @property
    def started(self) -> bool:
        """Whether any of it is in memory."""
        return self.position > 0

    def close(self) -> None:
        """Free what the request holds outside the context."""
        if self.sampler is not None:
            self.sampler.close()
            self.sampler = None
