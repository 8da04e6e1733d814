"""The batch by itself, step by step: what is read and written together."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orbit_llamacpp.engine.batch import Batch
from orbit_llamacpp.engine.context import Context
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.engine.request import Request
from orbit_llamacpp.engine.slots import Slots
from orbit_llamacpp.engine.text import TextStream
from orbit_llamacpp.protocol import Event, Finished, Generate, Sampling, Stats
from orbit_llamacpp.settings import LlamaCppSettings

WINDOW, SEQUENCES, LIMIT = 256, 12, 5


class Steps:
    """A batch of a tiny model, and what it has emitted."""

    def __init__(self, model: Model, *, n_batch: int, copies: bool = True) -> None:
        settings = LlamaCppSettings(n_threads=1, n_batch=n_batch)
        self.model = model
        self.events: list[Event] = []
        self.stats = Stats()
        self.context = Context(model, settings, WINDOW, SEQUENCES)
        slots = Slots(self.context, SEQUENCES, 1_000_000, reuse=True, copies=copies)
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
        steps = self.finish()
        assert sum(isinstance(event, Finished) for event in self.events) == len(texts), self.events
        return [self.text(number) for number in range(len(texts))], steps

    def finish(self) -> int:
        """Step until all is answered. Return how many steps it took."""
        for steps in range(10_000):
            if self.batch.idle:
                return steps
            self.batch.step()
        pytest.fail("a request is neither read nor answered")

    def text(self, number: int) -> str:
        return "".join(getattr(event, "text", "") for event in self.events if event.id == number)

    def scores(self, tokens: list[int]) -> Any:
        """Answer a prompt with one token, and return the scores from which it was taken."""
        self.batch.push(Request(Generate(0, (), Sampling(), 1), tokens, 1, Sampling(), TextStream()))
        while not self.batch.idle:
            self.batch.step()
        return self.context.logits(0).copy()


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
    assert steps.stats.prompt_tokens - read == SEQUENCES  # the last token of each
    assert taken == LIMIT  # all are written together from the first token on
    assert steps.stats.failed == 0


def test_a_prompt_in_memory_joins_the_answers_in_their_next_step(steps: Steps) -> None:
    known = ["a boat by the sea", "two boats by the sea"]
    expected, _ = steps.ask(known)
    steps.events.clear()
    batches: list[int] = []
    advance = steps.context.advance

    def counted(sequences: Sequence[tuple[int, int, int]]) -> None:
        batches.append(len(sequences))
        advance(sequences)

    steps.context.advance = counted  # type: ignore[method-assign]  # only to count
    steps.push(0, known[0])
    steps.batch.step()
    steps.push(1, known[1])
    while not steps.batch.idle:
        steps.batch.step()
    assert batches == [1, *[2] * (LIMIT - 1), 1]
    assert [steps.text(number) for number in range(2)] == expected


def test_answers_are_written_in_the_order_of_their_sequences(steps: Steps) -> None:
    """llama.cpp decodes only sequences together whose numbers follow each other."""
    texts = [f"{number} boats by the sea" for number in range(SEQUENCES)]
    expected, _ = steps.ask(texts)
    batches: list[list[int]] = []
    advance = steps.context.advance

    def watched(sequences: Sequence[tuple[int, int, int]]) -> None:
        batches.append([sequence for sequence, _, _ in sequences])
        advance(sequences)

    steps.context.advance = watched  # type: ignore[method-assign]  # only to watch
    answers, _ = steps.ask(texts[::-1])
    assert answers == expected[::-1]
    assert batches == [list(range(SEQUENCES))] * LIMIT


def test_a_new_prompt_gets_the_sequence_beside_another(steps: Steps) -> None:
    steps.ask([f"{number} boats" for number in range(4)])
    for number, text in enumerate(["2 boats", "Music"]):
        steps.push(number, text)
        steps.batch.step()
    assert sorted(request.sequence for request in steps.batch._slots.running) in ([1, 2], [2, 3])


@pytest.mark.parametrize("text", ["Boats", "Boats by the sea, and a museum"])
@pytest.mark.parametrize("copies", [True, False])
def test_a_prompt_that_others_bring_into_memory_while_it_waits_is_answered(
    steps: Steps, text: str, copies: bool
) -> None:
    """It cannot be reused if it is too short to copy, or if the model's memory cannot be copied."""
    steps.batch.close()
    other = Steps(steps.model, n_batch=8, copies=copies)
    for number in range(SEQUENCES):
        other.push(number, text)
    other.finish()
    assert len({other.text(number) for number in range(SEQUENCES)}) == 1
    assert other.stats.failed == 0
    other.batch.close()


@pytest.mark.parametrize("copies", [True, False])
def test_every_request_is_answered_in_whatever_order_they_come(steps: Steps, copies: bool) -> None:
    steps.batch.close()
    other = Steps(steps.model, n_batch=steps.context.capacity, copies=copies)
    chance = random.Random(1)
    texts = ["Boats", "Boats by the sea", "a", "Museum " * 9, "Museum " * 9 + "opens", "7 boats"]
    asked = [chance.choice(texts) for _ in range(300)]
    for number, text in enumerate(asked):
        other.push(number, text)
        for _ in range(chance.randrange(4)):
            other.batch.step()
    other.finish()
    answers: dict[str, set[str]] = {text: set() for text in texts}
    for number, text in enumerate(asked):
        answers[text].add(other.text(number))
    assert [len(found) for found in answers.values()] == [1] * len(texts)
    other.batch.close()


@pytest.mark.parametrize("known", [0, 1, 5, 6, 7, 8, 9])
def test_what_a_prompt_reuses_leaves_no_bit_in_its_answer(steps: Steps, known: int) -> None:
    """Whatever is in memory of a prompt: nothing, a part, all but two tokens, all but one, all."""
    text = "Boats by the sea, and a museum"
    tokens = steps.model.tokenize(text, add_special=True, parse_special=False)
    scores = [steps.scores(tokens)]
    steps.batch.close()
    other = Steps(steps.model, n_batch=steps.context.capacity)
    if known:
        other.scores([*tokens[: len(tokens) - 9 + known], *tokens[:3]])
    scores.append(other.scores(tokens))
    other.batch.close()
    assert np.array_equal(*scores)


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
