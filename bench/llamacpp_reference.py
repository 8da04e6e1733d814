"""The references of ``llamacpp.py``, each in a separate process.

llamacpp_reference.py direct MODEL THREADS            llama-cpp-python called directly; a request per line of JSON
llamacpp_reference.py server MODEL THREADS PORT       llama-cpp-python's own server, requests not interrupted
llamacpp_reference.py slots MODEL THREADS PORT SLOTS  llama.cpp's C++ server, from the xllamacpp package
llamacpp_reference.py batch MODEL THREADS             llama.cpp's decoding alone: all conversations of a line at once
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WINDOW = 1024


def direct(model: str, threads: int) -> None:
    from llama_cpp import Llama  # noqa: PLC0415 - each reference needs only its own package

    llama = Llama(model, n_ctx=WINDOW, n_threads=threads, n_threads_batch=threads, verbose=False)
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter()
        first, tokens = 0.0, 0
        stream: Any = llama.create_chat_completion(**request, stream=True)
        for chunk in stream:
            if chunk["choices"][0]["delta"].get("content"):
                first = first or time.perf_counter() - start
                tokens += 1
        print(json.dumps({"first": first, "tokens": tokens, "seconds": time.perf_counter() - start}), flush=True)


def server(model: str, threads: int, port: int) -> None:
    sys.argv = ["server", "--model", model, "--n_ctx", str(WINDOW), "--port", str(port), "--host", "127.0.0.1"]
    sys.argv += ["--n_threads", str(threads), "--n_threads_batch", str(threads)]
    sys.argv += ["--interrupt_requests", "False", "--verbose", "False"]
    runpy.run_module("llama_cpp.server", run_name="__main__")


def slots(model: str, threads: int, port: int, count: int) -> None:
    import xllamacpp  # type: ignore[import-not-found]  # noqa: PLC0415 - a reference, not a dependency

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = WINDOW * count
    params.n_parallel = count
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostnames, params.port = ["127.0.0.1"], port
    params.warmup = False
    running = xllamacpp.Server(params)
    print(running.listening_address, flush=True)
    threading.Event().wait()


def batch(model: str, threads: int) -> None:
    """Decode conversations with a common prefix, with as many tokens for each: the time of decoding alone."""
    import llama_cpp as lib  # noqa: PLC0415 - each reference needs only its own package
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter  # noqa: PLC0415

    llama = lib.Llama(model, n_ctx=8, n_threads=threads, verbose=False)
    template = Jinja2ChatFormatter(llama.metadata["tokenizer.chat_template"], eos_token="", bos_token="")
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        texts = [template(messages=messages).prompt for messages in request["conversations"]]
        prompts = [llama.tokenize(text.encode(), add_bos=False, special=True) for text in texts]
        start = time.perf_counter()
        first = decode(lib, llama.model, prompts, request["max_tokens"], threads)
        tokens = request["max_tokens"] * len(prompts)
        answer = {"first": first - start, "tokens": tokens, "seconds": time.perf_counter() - start}
        print(json.dumps(answer), flush=True)


def decode(lib: Any, model: Any, prompts: list[list[int]], count: int, threads: int) -> float:
    """Read the shared prefix once, then the rests, then write ``count`` tokens each. Return the time of the first."""
    params = lib.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_seq_max, params.kv_unified = (
        WINDOW * len(prompts),
        WINDOW,
        len(prompts),
        True,
    )
    params.n_threads = params.n_threads_batch = threads
    context = lib.llama_init_from_model(model, params)
    room = lib.llama_batch_init(WINDOW, 0, 1)

    def read(rows: list[tuple[int, int, int, bool]]) -> None:
        """Decode rows of (sequence, token, position, whether its scores are needed)."""
        for at, (sequence, token, position, wanted) in enumerate(rows):
            room.token[at], room.pos[at], room.n_seq_id[at], room.logits[at] = token, position, 1, wanted
            room.seq_id[at][0] = sequence
        room.n_tokens = len(rows)
        if rows and lib.llama_decode(context, room) != 0:
            sys.exit("llama.cpp could not decode")

    def best(at: int) -> int:
        scores = lib.llama_get_logits_ith(context, at)
        return int(
            np.ctypeslib.as_array(scores, (lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model)),)).argmax()
        )

    shared = next(at for at, tokens in enumerate(zip(*prompts, strict=False)) if len(set(tokens)) > 1)
    read([(0, token, position, False) for position, token in enumerate(prompts[0][:shared])])
    for sequence in range(1, len(prompts)):
        lib.llama_memory_seq_cp(lib.llama_get_memory(context), 0, sequence, 0, shared)
    last: list[int] = []
    for sequence, prompt in enumerate(prompts):
        rest = range(shared, len(prompt))
        read([(sequence, prompt[position], position, position == len(prompt) - 1) for position in rest])
        last.append(best(-1))
    first = time.perf_counter()
    for step in range(count - 1):
        read([(at, last[at], len(prompt) + step, True) for at, prompt in enumerate(prompts)])
        last = [best(at) for at in range(len(prompts))]
    lib.llama_batch_free(room)
    lib.llama_free(context)
    return first


if __name__ == "__main__":
    kind, path, *numbers = sys.argv[1:]
    references: dict[str, Callable[..., None]] = {"direct": direct, "server": server, "slots": slots, "batch": batch}
    references[kind](path, *map(int, numbers))
