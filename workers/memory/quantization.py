"""How many bytes a matrix takes in each of the formats vLLM loads or makes."""

from dataclasses import dataclass
from math import ceil

from workers.memory.errors import BadConfig
from workers.memory.fields import Fields

# Elements that share a scale in bitsandbytes, and scales that share a second one.
BNB_BLOCK, BNB_NESTED_BLOCK = 64, 256
BITS = (2, 3, 4, 8)


@dataclass(frozen=True)
class Quantization:
    """A format of weights. Costs are per matrix of `rows` outputs, `columns` inputs."""

    method: str = ""
    bits: int = 16
    # Inputs that share a scale; 0: all inputs of an output do; -1: the whole matrix.
    group: int = 0
    scale_bytes: int = 2
    has_zeros: bool = False
    has_order: bool = False
    # Outputs that share a scale with each other (FP8 in blocks).
    group_rows: int = 1
    is_nested: bool = False
    # vLLM makes it while loading; a checkpoint has it otherwise.
    is_online: bool = False
    # The checkpoint says that keys and values are kept in FP8.
    has_fp8_cache: bool = False

    def matrix_bytes(self, rows: int, columns: int, dtype_bytes: int) -> int:
        """Return the bytes of a matrix with scales, zero points and order."""
        if not self.method:
            return rows * columns * dtype_bytes
        weights = ceil(rows * columns * self.bits / 8)
        if self.method == "bitsandbytes":
            return weights + self._bitsandbytes_scales(rows, columns)
        scales = self._scales(rows, columns)
        zeros = ceil(scales * self.bits / 8) if self.has_zeros else 0
        order = 4 * columns if self.has_order else 0
        return weights + scales * self.scale_bytes + zeros + order

    def _scales(self, rows: int, columns: int) -> int:
        if self.group < 0:
            return 1
        per_row = ceil(columns / self.group) if self.group else 1
        return ceil(rows / self.group_rows) * per_row

    def _bitsandbytes_scales(self, rows: int, columns: int) -> int:
        if self.bits == 8:
            return 4 * rows
        blocks = ceil(rows * columns / BNB_BLOCK)
        if not self.is_nested:
            return 4 * blocks
        return blocks + 4 * ceil(blocks / BNB_NESTED_BLOCK)


NONE = Quantization()
AWQ = Quantization("awq", bits=4, group=128, has_zeros=True)
# What vLLM 0.32 makes of 16-bit weights while it loads them: `quantization=…`.
ONLINE = {
    "fp8_per_tensor": Quantization(
        "fp8_per_tensor", bits=8, group=-1, scale_bytes=4, is_online=True
    ),
    "fp8_per_channel": Quantization(
        "fp8_per_channel", bits=8, scale_bytes=4, is_online=True
    ),
    "fp8_per_block": Quantization(
        "fp8_per_block",
        bits=8,
        group=128,
        group_rows=128,
        scale_bytes=4,
        is_online=True,
    ),
    "mxfp8": Quantization("mxfp8", bits=8, group=32, scale_bytes=1, is_online=True),
}


def parse_quantization(fields: Fields | None) -> Quantization:
    """Return the format a config's `quantization_config` describes."""
    if fields is None:
        return NONE
    method = fields.text("quant_method").lower()
    if method in ("awq", "gptq"):
        return _packed(fields, method)
    if method == "fp8":
        return _fp8(fields)
    if method == "bitsandbytes":
        return _bitsandbytes(fields)
    if method == "compressed-tensors":
        return _compressed(fields)
    return Quantization(method or "unknown", bits=0)


def _bits(fields: Fields, key: str, default: int | None = None) -> int:
    bits = fields.whole(key, default)
    if bits not in BITS:
        raise BadConfig(f"'{key}' in {fields.name} is none of {BITS}.")
    return bits


def _group(fields: Fields, key: str) -> int:
    return max(fields.whole(key, 128, least=-1), 0)


def _packed(fields: Fields, method: str) -> Quantization:
    key = "bits" if fields.has("bits") else "w_bit"
    group = "group_size" if fields.has("group_size") else "q_group_size"
    return Quantization(
        method,
        bits=_bits(fields, key, 4),
        group=_group(fields, group),
        has_zeros=True,
        has_order=method == "gptq",
    )


def _fp8(fields: Fields) -> Quantization:
    block = fields.values.get("weight_block_size")
    if block is None:
        return Quantization("fp8", bits=8, group=-1, scale_bytes=4)
    if not isinstance(block, list) or len(block) != 2:
        raise BadConfig("'weight_block_size' is no pair of numbers.")
    pair = Fields({"rows": block[0], "columns": block[1]}, fields.name)
    rows, columns = pair.whole("rows"), pair.whole("columns")
    return Quantization("fp8", bits=8, group=columns, group_rows=rows, scale_bytes=4)


def _bitsandbytes(fields: Fields) -> Quantization:
    is_8bit = fields.flag("load_in_8bit", False)
    nested = fields.flag("bnb_4bit_use_double_quant", False)
    return Quantization("bitsandbytes", bits=8 if is_8bit else 4, is_nested=nested)


def _compressed(fields: Fields) -> Quantization:
    """Read llm-compressor's format: its first group of layers stands for all."""
    method = "compressed-tensors"
    has_fp8_cache = fields.inner("kv_cache_scheme") is not None
    groups = fields.inner("config_groups")
    first = groups and next(iter(groups.values), None)
    group = groups.inner(first) if groups and first else None
    weights = group.inner("weights") if group else None
    if weights is None:
        return Quantization(method, bits=0, has_fp8_cache=has_fp8_cache)
    strategy = weights.text("strategy", "channel")
    size = {"group": _group(weights, "group_size"), "tensor": -1}.get(strategy, 0)
    return Quantization(
        method,
        bits=_bits(weights, "num_bits"),
        group=size,
        has_zeros=not weights.flag("symmetric", True),
        has_fp8_cache=has_fp8_cache,
    )
