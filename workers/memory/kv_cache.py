"""How many tokens a KV cache holds, counted as vLLM counts.

After vLLM 0.32's `vllm/v1/core/kv_cache_utils.py`: layers that look equally far back
form groups of one size, each group has a block table of its own, and all draw blocks of
one size from one pool. `tests/workers/memory/test_plan_real.py` holds it to the engine.
"""

from collections import Counter
from dataclasses import dataclass, replace
from math import ceil

from workers.memory.config import CHUNKED, SLIDING, Layer, ModelConfig

FP8_NAMES = ("fp8", "fp8_e4m3", "fp8_e5m2")


@dataclass(frozen=True)
class CacheSettings:
    """What decides how blocks are counted."""

    max_model_len: int
    # Tokens of a block: 16 on a GPU, 128 on a CPU (vLLM's defaults).
    block_size: int = 16
    # Tokens scheduled and not yet settled: `max_num_batched_tokens`, twice that with
    # asynchronous scheduling, which is the default on a GPU.
    in_flight: int = 8192
    element_bytes: int = 2


@dataclass(frozen=True)
class KvCache:
    """A pool of blocks and what fits into it."""

    blocks: int
    block_bytes: int
    groups: tuple[Layer, ...]
    settings: CacheSettings

    @property
    def tokens(self) -> int:
        """VLLM's "KV cache size": tokens in requests of `max_model_len`."""
        longest = self.settings.max_model_len
        return int(self.blocks / self.blocks_for(longest) * longest)

    @property
    def concurrency(self) -> float:
        """VLLM's "maximum concurrency": requests of `max_model_len` at once."""
        return self.blocks / self.blocks_for(self.settings.max_model_len)

    @property
    def bytes_for_one(self) -> int:
        """What one request of `max_model_len` needs, and the block nobody gets."""
        needed = self.blocks_for(self.settings.max_model_len)
        return (needed + 1) * self.block_bytes

    @property
    def holds_one(self) -> bool:
        """Tell whether vLLM would start: one request fits beside its null block."""
        return self.blocks > self.blocks_for(self.settings.max_model_len)

    def with_length(self, max_model_len: int) -> "KvCache":
        """Return the same cache for requests of another length."""
        settings = replace(self.settings, max_model_len=max_model_len)
        return replace(self, settings=settings)

    def blocks_for(self, tokens: int) -> int:
        """Return the most blocks a request of so many tokens takes."""
        return sum(self._blocks_of(group, tokens) for group in self.groups)

    def requests_of(self, tokens: int) -> int:
        """Return how many requests of so many tokens fit at once."""
        return max(self.blocks - 1, 0) // self.blocks_for(tokens)

    def _blocks_of(self, group: Layer, tokens: int) -> int:
        size, in_flight = self.settings.block_size, self.settings.in_flight
        if group.kind == SLIDING:
            # One more: a window may start in the middle of a block.
            return ceil(min(group.window - 1 + in_flight, tokens) / size) + 1
        if group.kind == CHUNKED:
            return ceil(min(group.window + in_flight, tokens) / size)
        return ceil(tokens / size)


def divide(config: ModelConfig, size: int, settings: CacheSettings) -> KvCache:
    """Return the cache that `size` bytes make."""
    groups, layers = _groups(config.layers)
    page = config.kv_elements * settings.element_bytes * settings.block_size
    block = layers * page
    return KvCache(max(size, 0) // block, block, groups, settings)


def longest_for_one(cache: KvCache, longest: int) -> int:
    """Return the longest request the cache holds at all, in tokens; 0 if none."""
    low, high = 0, longest
    while low < high:
        middle = (low + high + 1) // 2
        if cache.with_length(middle).holds_one:
            low = middle
        else:
            high = middle - 1
    return low


def bytes_per_token(config: ModelConfig, element_bytes: int) -> int:
    """Return what one token takes in all layers, before any window has slid."""
    return len(config.layers) * config.kv_elements * element_bytes


def element_bytes(config: ModelConfig, kv_cache_dtype: str) -> int:
    """Return the bytes of one element: 1 for FP8, else as wide as the model's."""
    if kv_cache_dtype in FP8_NAMES:
        return 1
    if kv_cache_dtype == "auto" and config.quantization.has_fp8_cache:
        return 1
    return 2 if kv_cache_dtype in ("bfloat16", "float16") else config.dtype_bytes


def _groups(layers: tuple[Layer, ...]) -> tuple[tuple[Layer, ...], int]:
    """Return the groups, and the layers in each (the last one may be padded)."""
    counts = Counter(layers)
    fewest, most = min(counts.values()), max(counts.values())
    # vLLM's rule against too many padded layers: `get_kv_cache_groups_uniform_page`.
    size = most if most < fewest * 1.5 else fewest
    groups = [
        layer for layer, count in counts.items() for _ in range(ceil(count / size))
    ]
    return tuple(groups), size
