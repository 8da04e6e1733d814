"""Writes GGUF files: tiny models with random weights, of several architectures, in a few milliseconds."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEADS, KV_HEADS, HEAD, FEED_FORWARD, LAYERS, WINDOW = 32, 4, 2, 8, 64, 2, 1024
ALIGNMENT = 32
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

Tensors = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:  # noqa: PLR0911 - one line for each type of the format
    """Type and value, as GGUF writes them."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
        case [int(), *_]:
            return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
        case [float(), *_]:
            return struct.pack(f"<IIQ{len(value)}f", 9, 6, len(value), *value)
    raise TypeError(value)


def write_gguf(path: Path, metadata: Mapping[str, Any], tensors: Tensors | None = None) -> Path:
    """A GGUF file with this metadata and these float32 tensors."""
    tensors = tensors or {}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(_text(key) + _value(value) for key, value in metadata.items())
    data = b""
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += tensor.astype("<f4").tobytes()
        data += bytes(-len(data) % ALIGNMENT)
    path.write_bytes(head + bytes(-len(head) % ALIGNMENT) + data)
    return path


def _bytes_alphabet() -> list[str]:
    """The 256 characters that stand for bytes in vocabularies of GPT-2's kind."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    names = {byte: chr(byte) for byte in shown} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}
    return [names[byte] for byte in range(256)]


def _gpt2_vocabulary(controls: Sequence[str] = ()) -> dict[str, Any]:
    tokens = [*_bytes_alphabet(), "<|endoftext|>", "<|im_start|>", "<|im_end|>", *controls]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 256 + [3] * (3 + len(controls)),
        "tokenizer.ggml.merges": ["Ġ t"],
        "tokenizer.ggml.bos_token_id": 256,
        "tokenizer.ggml.eos_token_id": 258,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": CHATML,
    }


class _Weights:
    """Random tensors, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.tensors: Tensors = {}

    def noise(self, name: str, *shape: int, scale: float = 0.35) -> None:
        self.tensors[name] = self._random.normal(0, scale, shape).astype(np.float32)

    def ones(self, name: str, *shape: int) -> None:
        self.tensors[name] = np.ones(shape, np.float32)


def _attention(weights: _Weights, block: str, *, bias: bool) -> None:
    for part, size in (("q", HEADS * HEAD), ("k", KV_HEADS * HEAD), ("v", KV_HEADS * HEAD)):
        weights.noise(f"{block}.attn_{part}.weight", size, WIDTH)
        if bias:
            weights.noise(f"{block}.attn_{part}.bias", size)
    weights.noise(f"{block}.attn_output.weight", WIDTH, HEADS * HEAD)


def _feed_forward(weights: _Weights, block: str) -> None:
    weights.ones(f"{block}.ffn_norm.weight", WIDTH)
    weights.noise(f"{block}.ffn_gate.weight", FEED_FORWARD, WIDTH)
    weights.noise(f"{block}.ffn_up.weight", FEED_FORWARD, WIDTH)
    weights.noise(f"{block}.ffn_down.weight", WIDTH, FEED_FORWARD)


def _mamba_block(weights: _Weights, block: str) -> None:
    inner, state, rank, kernel = 2 * WIDTH, 8, 2, 4
    weights.noise(f"{block}.ssm_in.weight", 2 * inner, WIDTH)
    weights.noise(f"{block}.ssm_conv1d.weight", inner, kernel)
    weights.noise(f"{block}.ssm_conv1d.bias", inner)
    weights.noise(f"{block}.ssm_x.weight", rank + 2 * state, inner)
    weights.noise(f"{block}.ssm_dt.weight", inner, rank)
    weights.noise(f"{block}.ssm_dt.bias", inner)
    weights.tensors[f"{block}.ssm_a"] = -np.ones((inner, state), np.float32)
    weights.ones(f"{block}.ssm_d", inner)
    weights.noise(f"{block}.ssm_out.weight", WIDTH, inner)


def write_decoder(
    path: Path, architecture: str, seed: int = 1, *, template: str | None = CHATML, controls: Sequence[str] = ()
) -> Path:
    """A model that writes: llama, qwen2 (biases), gemma3 (a sliding window of 32 tokens) or mamba (recurrent).

    ``template`` is its chat template, None for none; ``controls`` are more control tokens of its vocabulary.
    """
    vocabulary = _gpt2_vocabulary(controls) | {"tokenizer.chat_template": template}
    if template is None:
        del vocabulary["tokenizer.chat_template"]
    size = len(vocabulary["tokenizer.ggml.tokens"])
    weights = _Weights(seed)
    weights.noise("token_embd.weight", size, WIDTH, scale=1.0)
    weights.ones("output_norm.weight", WIDTH)
    weights.noise("output.weight", size, WIDTH, scale=0.6)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        weights.ones(f"{block}.attn_norm.weight", WIDTH)
        if architecture == "mamba":
            _mamba_block(weights, block)
            continue
        _attention(weights, block, bias=architecture == "qwen2")
        _feed_forward(weights, block)
        if architecture == "gemma3":
            weights.ones(f"{block}.attn_q_norm.weight", HEAD)
            weights.ones(f"{block}.attn_k_norm.weight", HEAD)
            weights.ones(f"{block}.post_attention_norm.weight", WIDTH)
            weights.ones(f"{block}.post_ffw_norm.weight", WIDTH)
    own: dict[str, Any] = {
        "context_length": WINDOW,
        "embedding_length": WIDTH,
        "block_count": LAYERS,
        "feed_forward_length": FEED_FORWARD if architecture != "mamba" else 0,
        "attention.head_count": HEADS if architecture != "mamba" else 0,
        "attention.head_count_kv": KV_HEADS,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }
    if architecture == "gemma3":
        own |= {"attention.sliding_window": 32, "attention.key_length": HEAD, "attention.value_length": HEAD}
    if architecture == "mamba":
        own |= {"ssm.conv_kernel": 4, "ssm.inner_size": 2 * WIDTH, "ssm.state_size": 8, "ssm.time_step_rank": 2}
        del own["attention.head_count_kv"]
    metadata = {"general.architecture": architecture, "general.name": f"tiny {architecture}"}
    metadata |= {f"{architecture}.{key}": value for key, value in own.items()}
    return write_gguf(path, metadata | vocabulary, weights.tensors)


def write_speaker(
    path: Path, says: Sequence[str], template: str = CHATML, controls: Sequence[str] = (), *, loop: int = 0
) -> Path:
    """A model that answers anything with the same tokens: these texts, of which no two may be equal.

    Without ``loop`` it ends then, else it says the last so many texts again and again.

    Attention and feed-forward add nothing, so a token alone decides which one follows it.
    """
    vocabulary = _gpt2_vocabulary(controls) | {"tokenizer.chat_template": template}
    tokens: list[str] = vocabulary["tokenizer.ggml.tokens"]
    spoken = [text for text in says if text not in controls]
    vocabulary["tokenizer.ggml.tokens"] = tokens = [*tokens, *spoken]
    vocabulary["tokenizer.ggml.token_type"] += [4] * len(spoken)  # their text is taken as it is
    width = 64 * -(-len(tokens) // 64)
    order = [tokens.index(text) for text in says]
    output = np.zeros((len(tokens), width), np.float32)
    output[order[0], : len(tokens)] = 1
    for token, following in zip(order, [*order[1:], order[-loop] if loop else tokens.index("<|im_end|>")], strict=True):
        output[:, token] = 0
        output[following, token] = 1
    weights = _Weights(1)
    weights.tensors |= {"token_embd.weight": np.eye(len(tokens), width, dtype=np.float32), "output.weight": output}
    weights.ones("output_norm.weight", width)
    for name in ("attn_norm", "ffn_norm"):
        weights.ones(f"blk.0.{name}.weight", width)
    for name, rows, columns in (
        *((f"attn_{part}", width, width) for part in ("q", "k", "v", "output")),
        *(("ffn_gate", FEED_FORWARD, width), ("ffn_up", FEED_FORWARD, width), ("ffn_down", width, FEED_FORWARD)),
    ):
        weights.tensors[f"blk.0.{name}.weight"] = np.zeros((rows, columns), np.float32)
    own = {
        "context_length": WINDOW,
        "embedding_length": width,
        "block_count": 1,
        "feed_forward_length": FEED_FORWARD,
        "attention.head_count": HEADS,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }
    metadata = {"general.architecture": "llama", "general.name": "speaker"}
    return write_gguf(
        path, metadata | {f"llama.{key}": value for key, value in own.items()} | vocabulary, weights.tensors
    )


def write_embedder(path: Path, seed: int = 1) -> Path:
    """A BERT that embeds: mean pooling, a vocabulary of letters."""
    letters = [chr(code) for code in range(97, 123)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *("▁" + letter for letter in letters), *letters]
    weights = _Weights(seed)
    weights.noise("token_embd.weight", len(tokens), WIDTH)
    weights.noise("token_types.weight", 2, WIDTH)
    weights.noise("position_embd.weight", 64, WIDTH)

    def norm(name: str) -> None:
        weights.ones(f"{name}.weight", WIDTH)
        weights.noise(f"{name}.bias", WIDTH)

    norm("token_embd_norm")
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights.noise(f"{block}.{part}.weight", WIDTH, WIDTH)
            weights.noise(f"{block}.{part}.bias", WIDTH)
        norm(f"{block}.attn_output_norm")
        weights.noise(f"{block}.ffn_up.weight", FEED_FORWARD, WIDTH)
        weights.noise(f"{block}.ffn_up.bias", FEED_FORWARD)
        weights.noise(f"{block}.ffn_down.weight", WIDTH, FEED_FORWARD)
        weights.noise(f"{block}.ffn_down.bias", WIDTH)
        norm(f"{block}.layer_output_norm")
    metadata = {
        "general.architecture": "bert",
        "bert.context_length": 64,
        "bert.embedding_length": WIDTH,
        "bert.block_count": LAYERS,
        "bert.feed_forward_length": FEED_FORWARD,
        "bert.attention.head_count": HEADS,
        "bert.attention.layer_norm_epsilon": 1e-5,
        "bert.attention.causal": False,
        "bert.pooling_type": 1,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "bert",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 5 + [1] * (len(tokens) - 5),
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.mask_token_id": 4,
    }
    return write_gguf(path, metadata, weights.tensors)
