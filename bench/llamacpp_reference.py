"""The references of ``llamacpp.py``, each a process of its own.

llamacpp_reference.py direct MODEL THREADS            llama-cpp-python called directly; a request per line of JSON
llamacpp_reference.py server MODEL THREADS PORT       llama-cpp-python's own server, requests not interrupted
llamacpp_reference.py slots MODEL THREADS PORT SLOTS  llama.cpp's C++ server, as the xllamacpp package ships it
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

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


if __name__ == "__main__":
    kind, path, *numbers = sys.argv[1:]
    references: dict[str, Callable[..., None]] = {"direct": direct, "server": server, "slots": slots}
    references[kind](path, *map(int, numbers))
