"""Measures the cost and the side effects of importing a plugin, in a fresh interpreter.

``look`` runs this file as a script. It imports nothing of the test suite, so that every import of the plugin counts.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

HEAVY = frozenset(
    (
        *("aiohttp", "anthropic", "boto3", "chromadb", "cohere", "elasticsearch", "fastapi", "google.genai", "grpc"),
        *("httpx", "langchain", "litestar", "llama_cpp", "mistralai", "nltk", "numpy", "ollama", "onnxruntime"),
        *("openai", "pandas", "PIL", "pinecone", "psycopg", "pydantic", "pymongo", "pytest", "qdrant_client"),
        *("redis", "requests", "scipy", "sentence_transformers", "sklearn", "spacy", "sqlalchemy", "tensorflow"),
        *(
            "snowballstemmer",
            "tantivy",
            "tiktoken",
            "tokenizers",
            "torch",
            "transformers",
            "uvicorn",
            "weaviate",
            "wordllama",
        ),
    )
)
"""Packages that are slow to import. A plugin should import them on first use."""

_DOING = {
    "socket.connect": "it connected to {0[1]}",
    "socket.bind": "it opened a port",
    "socket.getaddrinfo": "it looked up the host {0[0]}",
    "subprocess.Popen": "it started the process {0[0]}",
    "os.system": "it ran a command",
    "os.fork": "it started a process",
    "os.mkdir": "it made the folder {0[0]}",
    "os.putenv": "it changed the environment",
    "sqlite3.connect": "it opened the database {0[0]}",
}


def look(module: str, file: str, path: list[str]) -> dict[str, object]:
    """Import a module in a fresh interpreter, after ``orbit``.

    Returns ``seconds`` (processor time), ``unit`` (processor time to import ``orbit`` and ``asyncio``), ``heavy``
    (slow modules), ``did`` (side effects in words) and ``error`` (the last line of the traceback, or an empty string).
    """
    done = subprocess.run(  # noqa: S603  # this file, with the current interpreter
        [sys.executable, __file__, module, file, json.dumps(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        error = (done.stderr.strip() or "it exited").splitlines()[-1]
        return {"seconds": 0.0, "unit": 0.0, "heavy": [], "did": [], "error": error}
    printed, _, last = done.stdout.rstrip().rpartition("\n")
    told: dict[str, object] = json.loads(last)
    if printed.strip() or done.stderr.strip():
        told["did"] = [*told["did"], "it printed something"]  # type: ignore[misc]  # a list, as written below
    return told | {"error": ""}


def _main() -> None:
    module, file, path = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    sys.path[:] = path
    began = time.process_time()
    import asyncio  # noqa: F401, PLC0415  # every host imports these, so they are not the plugin's cost

    import orbit  # noqa: F401, PLC0415  # the same

    unit = time.process_time() - began

    did: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if not watching:
            return
        if event == "open" and isinstance(arguments[0], str) and _writes(arguments):
            did.append(f"it wrote the file {arguments[0]}")
        elif event in _DOING:
            did.append(_DOING[event].format(arguments))

    sys.addaudithook(watch)
    known, threads = set(sys.modules), threading.active_count()
    begun = time.process_time()
    _import(module, file)
    seconds = time.process_time() - begun
    watching = False
    if threading.active_count() > threads:
        did.append("it started a thread")
    heavy = sorted(name for name in set(sys.modules) - known if name in HEAVY)
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "unit": unit, "heavy": heavy, "did": did}) + "\n")


def _import(module: str, file: str) -> None:
    if importlib.util.find_spec(module.partition(".")[0]) is not None:
        importlib.import_module(module)
        return
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None
    assert spec.loader is not None
    made = sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)


def _writes(arguments: tuple[object, ...]) -> bool:
    name, mode, flags = arguments
    if "__pycache__" in Path(str(name)).parts:
        return False
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


if __name__ == "__main__":
    _main()
