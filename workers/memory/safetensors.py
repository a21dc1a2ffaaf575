"""Read what safetensors files say of themselves, without their weights.

The format: 8 bytes with the header's length (little endian), then the header, a JSON
object of tensors with dtype, shape and offsets (huggingface/safetensors, README).
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from workers.memory.errors import BadConfig
from workers.memory.fields import parse_object

INDEX = "model.safetensors.index.json"
# The format's own limit for a header.
LARGEST_HEADER = 100_000_000
LARGEST_INDEX = 50_000_000
DTYPE_BITS = {
    **dict.fromkeys(("F64", "I64", "U64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    "F4": 4,
}
FLOATS = ("F32", "F16", "BF16")
DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a checkpoint."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes it takes in the file."""
        return math.ceil(self.elements * DTYPE_BITS[self.dtype] / 8)


def read_tensors(folder: Path) -> tuple[Tensor, ...] | None:
    """Return the tensors of a folder's checkpoint; None if files are missing."""
    index = folder / INDEX
    if index.is_file():
        names = {name for name in _weight_map(index).values() if _is_name(name)}
        files = [folder / name for name in sorted(names)]
    else:
        files = [folder / "model.safetensors"]
        if not files[0].is_file():
            files = sorted(folder.glob("*.safetensors"))
    if not files or not all(path.is_file() for path in files):
        return None
    return tuple(tensor for path in files for tensor in read_header(path))


def read_total(folder: Path) -> int | None:
    """Return the weights' bytes that the folder's index names, if it does."""
    if not (folder / INDEX).is_file():
        return None
    metadata = _index(folder / INDEX).get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    return int(total) if isinstance(total, (int, float)) and 0 < total < 1e15 else None


def read_header(path: Path) -> list[Tensor]:
    """Return the tensors that a file's header names."""
    with path.open("rb") as stream:
        header = _header(stream, path.name)
    header.pop("__metadata__", None)
    return [_tensor(name, entry, path.name) for name, entry in header.items()]


def _header(stream: IO[bytes], name: str) -> dict[str, Any]:
    prefix = stream.read(8)
    length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
    if not 0 < length <= LARGEST_HEADER:
        raise BadConfig(f"{name} is not a safetensors file.")
    return parse_object(stream.read(length), name)


def _tensor(name: str, entry: Any, file: str) -> Tensor:
    dtype = entry.get("dtype") if isinstance(entry, dict) else None
    shape = entry.get("shape") if isinstance(entry, dict) else None
    is_shape = (
        isinstance(shape, list)
        and len(shape) <= DIMENSIONS
        and all(type(size) is int and 0 <= size < 1 << 40 for size in shape)
    )
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS or not is_shape:
        raise BadConfig(f"{file} describes a tensor in a way nobody reads.")
    return Tensor(name, dtype, tuple(shape or ()))


def _index(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        return parse_object(stream.read(LARGEST_INDEX), path.name)


def _weight_map(path: Path) -> dict[str, Any]:
    weight_map = _index(path).get("weight_map")
    return weight_map if isinstance(weight_map, dict) else {}


def _is_name(name: Any) -> bool:
    """Tell whether it names a file of the folder itself, and of no other one."""
    return isinstance(name, str) and Path(name).name == name and name not in ("", "..")
