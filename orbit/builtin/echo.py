"""The plugin ``echo``: answers with the prompt itself, to try a configuration without a model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from orbit import Chunk, GenerateOptions, Message, Provider, Usage, hookimpl


class Echo(Provider):
    """Answers with the last message, word by word: the passages and the question, as a model would read them."""

    def refuses_model(self, model: str) -> str:  # noqa: ARG002  # it refuses all
        """Refuse every model: there is none."""
        return "it has none."

    @hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        """Repeat the last message. A token is a word."""
        text = messages[-1].content
        for stop in options.stop:
            text = text.partition(stop)[0]
        words = text.split(" ")
        said = words[: options.max_tokens]
        for number, word in enumerate(said):
            yield Chunk(word if number == 0 else f" {word}")
        cut = len(said) < len(words)
        yield Chunk(finish_reason="length" if cut else "stop", usage=Usage(len(words), len(said)))
