"""A model for tests of clients: it fails when it is told to."""

from collections.abc import AsyncIterator, Sequence

import orbit


class Flaky(orbit.Provider):
    """Answers ``one two three``, but to "fail once" only the second time, and to "fail always" never.

    If it has tools, it calls the first one before it answers.
    """

    ORBIT_API = 2

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # passed on as they are
        self.failed = 0
        self.closed = 0
        self.seen: list[Sequence[orbit.Message]] = []

    @orbit.hookimpl
    async def models(self) -> Sequence[orbit.Model]:
        return [orbit.Model("flaky", supports=frozenset({"tools"}))]

    @orbit.hookimpl
    async def generate(
        self, messages: Sequence[orbit.Message], options: orbit.GenerateOptions
    ) -> AsyncIterator[orbit.Chunk]:
        self.seen.append(messages)
        question = messages[-1].content
        if "fail always" in question or ("fail once" in question and not self.failed):
            self.failed += 1
            raise orbit.ProviderError("as it was told.", kind="unavailable")
        if options.tools and messages[-1].role != "tool":
            yield orbit.Chunk(tool_calls=(orbit.ToolCall("call_1", options.tools[0].name, "{}"),))
            yield orbit.Chunk(finish_reason="tool_calls")
            return
        try:
            for word in ("one ", "two ", "three"):
                yield orbit.Chunk(word)
        except GeneratorExit:
            self.closed += 1
            raise
        yield orbit.Chunk(finish_reason="stop", usage=orbit.Usage(5, 3))
