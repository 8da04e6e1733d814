"""Writes ONNX files and tokenizers: tiny models with fixed weights, in a few milliseconds.

The format is protocol buffers: fields with a number and a kind, nothing else.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
TEA = ["tea", "is", "steeped", "for", "minutes", "in", "water", "coffee", "how", "long", "the", "a"]
WORDS = [*SPECIAL, *TEA, "train", "leaves", "at", "noon"]
WIDTH = 16
INT64, FLOAT = 7, 1
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def _number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    raw = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(raw)) + raw


def tensor(name: str, values: np.ndarray[Any, Any]) -> bytes:
    kind = FLOAT if values.dtype == np.float32 else INT64
    dims = b"".join(field(1, size) for size in values.shape)
    return dims + field(2, kind) + field(8, name) + field(9, values.tobytes())


def value(name: str, kind: int, shape: Sequence[str | int]) -> bytes:
    dims = b"".join(field(1, field(1 if isinstance(size, int) else 2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def node(operator: str, inputs: Sequence[str], output: str, **attributes: int) -> bytes:
    made = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator)
    for name, number in attributes.items():
        made += field(5, field(1, name) + field(3, number) + field(20, 2))
    return made


def write_model(
    path: Path,
    nodes: Sequence[bytes],
    weights: Mapping[str, np.ndarray[Any, Any]],
    output: tuple[str, Sequence[str | int]],
    inputs: Sequence[str] = INPUTS,
) -> Path:
    graph = b"".join(field(1, one) for one in nodes) + field(2, "tiny")
    graph += b"".join(field(5, tensor(name, values)) for name, values in weights.items())
    graph += b"".join(field(11, value(name, INT64, ("batch", "tokens"))) for name in inputs)
    graph += field(12, value(output[0], FLOAT, output[1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13)))
    return path


def write_tokenizer(folder: Path) -> None:
    """Words, with unknown ones spelt in hash-like pieces of one character so that any two texts differ."""
    pieces = [chr(code) for code in range(33, 127)]
    vocabulary = {
        piece: number for number, piece in enumerate(dict.fromkeys([*WORDS, *pieces, *(f"##{one}" for one in pieces)]))
    }
    special = {name: {"id": name, "ids": [vocabulary[name]], "tokens": [name]} for name in ("[CLS]", "[SEP]")}

    def token(name: str, kind: int = 0) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": kind}}

    def text(name: str, kind: int = 0) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    made: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": {
            "strategy": {"Fixed": 64},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]"), text("A"), token("[SEP]")],
            "pair": [token("[CLS]"), text("A"), token("[SEP]"), text("B", 1), token("[SEP]", 1)],
            "special_tokens": special,
        },
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(made))


def vectors(width: int = WIDTH) -> np.ndarray[Any, Any]:
    rows = np.random.default_rng(7).normal(size=(256, width)).astype(np.float32)
    rows[:4] = 0.01  # special tokens say nothing
    return rows


def write_embedder(folder: Path, pooling: str = "mean_tokens", file: str = "onnx/model.onnx", **files: Any) -> Path:
    """A sentence-transformers folder whose model looks each token up. ``files`` are further JSON files, by stem."""
    write_tokenizer(folder)
    lookup = node("Gather", ("vectors", "input_ids"), "last_hidden_state")
    write_model(
        folder / file,
        [lookup],
        {"vectors": vectors()},
        ("last_hidden_state", ("batch", "tokens", WIDTH)),
        ("input_ids", "attention_mask"),
    )
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": WIDTH, f"pooling_mode_{pooling}": True, "include_prompt": True})
    )
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    for stem, content in {"modules": modules, "sentence_bert_config": {"max_seq_length": 32}, **files}.items():
        (folder / f"{stem}.json").write_text(json.dumps(content))
    return folder


def write_cross_encoder(folder: Path, labels: int = 1) -> Path:
    """A model whose score is how much the tokens of both texts have in common."""
    write_tokenizer(folder)
    nodes = [
        node("Gather", ("vectors", "input_ids"), "tokens"),
        node("Cast", ("token_type_ids",), "second", to=FLOAT),
        node("Sub", ("one", "second"), "first"),
        node("Unsqueeze", ("first", "last"), "first_column"),
        node("Unsqueeze", ("second", "last"), "second_column"),
        node("Mul", ("tokens", "first_column"), "question_tokens"),
        node("Mul", ("tokens", "second_column"), "passage_tokens"),
        node("ReduceSum", ("question_tokens", "middle"), "question", keepdims=0),
        node("ReduceSum", ("passage_tokens", "middle"), "passage", keepdims=0),
        node("Mul", ("question", "passage"), "products"),
        node("MatMul", ("products", "sum"), "logits"),
    ]
    weights: dict[str, np.ndarray[Any, Any]] = {
        "vectors": vectors() / np.float32(WIDTH),
        "one": np.ones(1, dtype=np.float32),
        "last": np.array([-1]),
        "middle": np.array([1]),
        "sum": np.concatenate([np.zeros((WIDTH, labels - 1)), np.ones((WIDTH, 1))], axis=1).astype(np.float32),
    }
    write_model(folder / "model.onnx", nodes, weights, ("logits", ("batch", labels)))
    return folder
