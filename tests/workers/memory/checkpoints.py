"""Make model folders whose files are all header and no weights."""

import json
import struct
from pathlib import Path
from typing import Any

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}


def write_config(folder: Path, **fields: Any) -> Path:
    """Write config.json and return its path; a field that is None is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {k: v for k, v in {**LLAMA, **fields}.items() if v is not None}
    path = folder / "config.json"
    path.write_text(json.dumps(values))
    return path


def write_safetensors(path: Path, tensors: dict[str, tuple[str, list[int]]]) -> None:
    """Write a header that names these tensors: dtype and shape each."""
    header = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]}
        for name, (dtype, shape) in tensors.items()
    }
    content = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content)


def write_index(folder: Path, files: dict[str, str], total: int) -> None:
    """Write the index of a checkpoint in several files."""
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
