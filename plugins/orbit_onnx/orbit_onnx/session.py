"""A model in onnxruntime: what it takes and gives, checked when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbit_onnx.folder import FolderError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Encoding

_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


class Session:
    """An ONNX model that reads tokens. Threads may share it; each call uses one processor."""

    def __init__(self, model: Path) -> None:
        """Load a model. Raises FolderError."""
        import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415  # ships no types; importing stays light

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it never shrinks after a long text
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise FolderError(f"{model} is no model that onnxruntime can load: {error}") from error
        self._types = {item.name: "int32" if item.type == "tensor(int32)" else "int64" for item in self._inputs()}
        if unknown := [name for name in self._types if name not in _INPUTS]:
            raise FolderError(f"{model} needs inputs that this plugin cannot make: {', '.join(unknown)}")
        self.outputs = {item.name: item.shape for item in self._session.get_outputs()}

    def _inputs(self) -> list[Any]:
        return list(self._session.get_inputs())

    def run(self, encoding: Encoding, output: str) -> NDArray[Any]:
        """Return an output for one encoded text, as float32 without the axis of the batch."""
        import numpy as np  # noqa: PLC0415  # importing a plugin stays light

        values = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
            "position_ids": range(len(encoding.ids)),
        }
        feed = {name: np.asarray([values[name]], dtype=kind) for name, kind in self._types.items()}
        return np.asarray(self._session.run([output], feed)[0][0], dtype=np.float32)


def load_tokenizer(path: Path) -> Any:
    """Load a tokenizer without padding: texts are read one at a time. Raises FolderError."""
    from tokenizers import Tokenizer, decoders  # noqa: PLC0415  # importing a plugin stays light

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise FolderError(f"{path} is no tokenizer that can be read: {error}") from error
    tokenizer.no_padding()
    if isinstance(tokenizer.decoder, decoders.WordPiece):
        tokenizer.decoder = decoders.WordPiece(cleanup=False)  # it makes "don't" of "do not"
    return tokenizer


def around(tokenizer: Any) -> frozenset[int]:
    """Return the ids of special tokens, such as ``[CLS]``, except the one of unknown words: it is a part of texts."""
    unknown = getattr(tokenizer.model, "unk_token", None)
    added = tokenizer.get_added_tokens_decoder().items()
    return frozenset(token for token, entry in added if entry.special and entry.content != unknown)
