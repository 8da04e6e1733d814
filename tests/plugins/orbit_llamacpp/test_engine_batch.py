"""The batch by itself, step by step: what is read and written together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from orbit_llamacpp.engine.batch import Batch
from orbit_llamacpp.engine.context import Context
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.engine.request import Request
from orbit_llamacpp.engine.slots import Slots
from orbit_llamacpp.engine.text import TextStream
from orbit_llamacpp.protocol import Event, Finished, Generate, Sampling, Stats
from orbit_llamacpp.settings import LlamaCppSettings

WINDOW, SEQUENCES, LIMIT = 256, 6, 5


class Steps:
    """A batch of a tiny model, and what it has emitted."""

    def __init__(self, model: Model, *, n_batch: int) -> None:
        settings = LlamaCppSettings(n_threads=1, n_batch=n_batch)
        self.model = model
        self.events: list[Event] = []
        self.stats = Stats()
        self.context = Context(model, settings, WINDOW, SEQUENCES)
        slots = Slots(self.context, SEQUENCES, 1_000_000, reuse=True, copies=True)
        self.batch = Batch(model, self.context, slots, self.stats, self.events.extend, lambda _: False)

    def push(self, number: int, text: str) -> None:
        tokens = self.model.tokenize(text, add_special=True, parse_special=False)
        command = Generate(number, (), Sampling(), LIMIT, key=str(number))
        self.batch.push(Request(command, tokens, LIMIT, Sampling(), TextStream()))

    def ask(self, texts: list[str]) -> tuple[list[str], int]:
        """Ask all at once. Return the answers, and how many steps they took."""
        self.events.clear()
        for number, text in enumerate(texts):
            self.push(number, text)
        steps = 0
        while not self.batch.idle:
            self.batch.step()
            steps += 1
        answers = dict.fromkeys(range(len(texts)), "")
        for event in self.events:
            assert not isinstance(event, Stats)
            answers[event.id] += getattr(event, "text", "")
        assert sum(isinstance(event, Finished) for event in self.events) == len(texts), self.events
        return [answers[number] for number in range(len(texts))], steps


@pytest.fixture(params=[512, 8])
def steps(request: pytest.FixtureRequest, gguf: Any, tmp_path: Path) -> Iterator[Steps]:
    settings = LlamaCppSettings(n_threads=1)
    model = Model(Path(gguf.write_decoder(tmp_path / "llama.gguf", "llama")), settings)
    steps = Steps(model, n_batch=request.param)
    yield steps
    steps.batch.close()
    model.close()


def test_prompts_that_are_asked_again_are_read_in_one_batch(steps: Steps) -> None:
    texts = [f"{number} boats by the sea" for number in range(SEQUENCES)]
    first, _ = steps.ask(texts)
    read = steps.stats.prompt_tokens
    again, taken = steps.ask(texts)
    assert again == first
    assert steps.stats.prompt_tokens - read == 2 * SEQUENCES  # the last two tokens of each
    # All are written together from the first token on, unless a batch is too small to read all of them at once.
    assert taken == (LIMIT if steps.context.capacity == 512 else LIMIT + 2)
    assert steps.stats.failed == 0


def test_a_long_prompt_waits_for_those_that_are_nearly_read(steps: Steps) -> None:
    known = ["a boat", "two boats"]
    expected, _ = steps.ask(known)
    (alone,), _ = steps.ask(["Boats by the sea " * 10])
    steps.batch.close()
    other = Steps(steps.model, n_batch=steps.context.capacity)
    other.ask(known)
    answers, _ = other.ask([known[0], "Boats by the sea " * 10, known[1]])
    assert answers == [expected[0], alone, expected[1]]
    other.batch.close()
