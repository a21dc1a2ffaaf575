"""What the plan is for: a card, and what the user has decided already."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.memory.errors import CannotPlan
from workers.memory.fields import Fields
from workers.memory.quantization import ONLINE, Quantization
from workers.memory.weights import Loading

CACHE_DTYPES = ("auto", "fp8", "fp8_e4m3", "fp8_e5m2", "bfloat16", "float16")


@dataclass(frozen=True)
class Wish:
    """A GPU's bytes, and engine arguments; None leaves the choice to the plan."""

    gpu: int
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_dtype: str = "auto"
    block_size: int = 16
    quantization: Quantization | None = None
    has_graphs: bool = True
    has_tower: bool = True
    dtype_bytes: int = 0

    @property
    def loading(self) -> Loading:
        """How the weights are loaded."""
        return Loading(self.quantization, self.has_tower, self.dtype_bytes)


def wish_of(gpu: int, engine_args: Mapping[str, Any]) -> Wish:
    """Return what a served model's `engine_args` ask for; raises CannotPlan."""
    args = Fields(dict(engine_args), "engine_args")
    utilization = args.number("gpu_memory_utilization", 0.0)
    if utilization > 1:
        raise CannotPlan("'gpu_memory_utilization' in engine_args is above 1.")
    dtype = args.text("kv_cache_dtype", "auto")
    if dtype not in CACHE_DTYPES:
        raise CannotPlan(f"'kv_cache_dtype' is none of {', '.join(CACHE_DTYPES)}.")
    length = args.whole("max_model_len", 0, least=-1)
    return Wish(
        gpu=gpu,
        # vLLM takes -1 as "as long as fits".
        max_model_len=length if length > 0 else None,
        max_num_seqs=args.whole("max_num_seqs", 0, least=0) or None,
        max_num_batched_tokens=args.whole("max_num_batched_tokens", 0, least=0) or None,
        gpu_memory_utilization=utilization or None,
        kv_cache_dtype=dtype,
        block_size=args.whole("block_size", 16),
        quantization=_quantization(args.text("quantization")),
        has_graphs=not args.flag("enforce_eager", False),
        has_tower=not args.flag("language_model_only", False),
        dtype_bytes=4 if args.text("dtype") in ("float32", "float") else 0,
    )


def _quantization(name: str) -> Quantization | None:
    """Return a format that vLLM makes while loading.

    Other names only say what the checkpoint is in already.
    """
    if name == "bitsandbytes":
        raise CannotPlan(
            "vLLM no longer quantizes with bitsandbytes while loading; it makes"
            f" {', '.join(ONLINE)}."
        )
    return ONLINE.get(name)
