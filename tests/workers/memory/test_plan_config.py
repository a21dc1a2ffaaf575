"""A model's config.json, however it is written and whoever wrote it."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.workers.memory.checkpoints import LLAMA
from workers.memory.config import CHUNKED, FULL, SLIDING, Layer, parse_config
from workers.memory.errors import BadConfig, CannotPlan
from workers.memory.fields import parse_object
from workers.memory.quantization import parse_quantization

# What google/gemma-3-4b-it's file really says; the rest is the family's.
GEMMA_4B = {
    "model_type": "gemma3",
    "torch_dtype": "bfloat16",
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
}


def config(**fields: Any) -> Any:
    return parse_config({k: v for k, v in {**LLAMA, **fields}.items() if v is not None})


def test_a_plain_config_is_read():
    found = config()

    assert (found.hidden, found.heads, found.kv_heads) == (64, 4, 2)
    assert found.layers == (Layer(), Layer()) and found.longest == 4096
    assert found.kv_elements == 2 * 2 * 16


def test_a_family_fills_in_what_is_left_out():
    found = parse_config(GEMMA_4B)

    assert (found.heads, found.kv_heads, found.head_dim) == (8, 4, 256)
    assert (found.vocabulary, found.is_tied) == (262_208, True)
    assert found.longest == 131_072
    assert Counter(found.layers) == {Layer(SLIDING, 1024): 29, Layer(): 5}


def test_layer_types_say_which_layers_slide():
    kinds = ["sliding_attention", "full_attention"]
    found = config(layer_types=kinds, sliding_window=512)
    assert found.layers == (Layer(SLIDING, 512), Layer(FULL))


def test_chunks_are_layers_of_their_own_kind():
    kinds = ["chunked_attention"] * 2
    found = config(layer_types=kinds, attention_chunk_size=8192)
    assert found.layers == (Layer(CHUNKED, 8192),) * 2


@pytest.mark.parametrize(
    ("fields", "sliding"),
    [
        ({"sliding_window": 256}, 2),
        ({"sliding_window": 0}, 0),
        ({"sliding_window": 256, "use_sliding_window": False}, 0),
        ({"sliding_window": 256, "max_window_layers": 1}, 1),
        ({"sliding_window": 256, "model_type": "gemma2"}, 1),
    ],
)
def test_a_window_without_layer_types(fields, sliding):
    assert [layer.kind for layer in config(**fields).layers].count(SLIDING) == sliding


@pytest.mark.parametrize(
    ("scaling", "longest"),
    [
        ({"rope_type": "llama3", "factor": 32.0}, 4096),
        ({"rope_type": "linear", "factor": 2.0}, 8192),
        ({"type": "yarn", "factor": 4, "original_max_position_embeddings": 2048}, 8192),
        ({"full_attention": {"rope_type": "default"}}, 4096),
        ({"rope_type": "linear", "factor": 0.00001}, 1),
    ],
)
def test_the_context_is_scaled_as_vllm_scales_it(scaling, longest):
    assert config(rope_scaling=scaling).longest == longest


def test_latent_attention_keeps_one_compressed_vector():
    assert config(kv_lora_rank=512, qk_rope_head_dim=64).kv_elements == 576


def test_weights_of_four_bytes_are_loaded_as_two():
    found = config(torch_dtype="float32")
    assert (found.dtype_bytes, found.stored_dtype_bytes) == (2, 4)


@pytest.mark.parametrize("layer_type", ["linear_attention", "mamba"])
def test_layers_that_cannot_be_planned_are_refused(layer_type):
    with pytest.raises(CannotPlan, match=layer_type):
        config(layer_types=[layer_type] * 2)


def test_layers_with_caches_of_two_sizes_are_refused():
    with pytest.raises(CannotPlan, match="different sizes"):
        config(global_head_dim=512)


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_size": None},
        {"hidden_size": "64"},
        {"hidden_size": -1},
        {"hidden_size": 0},
        {"hidden_size": True},
        {"hidden_size": 1 << 60},
        {"hidden_size": 64.5},
        {"num_hidden_layers": 10_000_000},
        {"num_attention_heads": [4]},
        {"tie_word_embeddings": "yes"},
        {"model_type": ["llama"]},
        {"model_type": "x" * 300},
        {"layer_types": "full_attention"},
        {"layer_types": ["full_attention"]},
        {"layer_types": [["full_attention"]] * 2},
        {"text_config": []},
        {"rope_scaling": {"rope_type": "linear", "factor": "8"}},
        {"rope_scaling": {"rope_type": "linear", "factor": float("nan")}},
        {"vision_config": {"model_type": "siglip_vision_model"}},
        {"quantization_config": "awq"},
        {"quantization_config": {"quant_method": "awq", "bits": 5}},
        {"quantization_config": {"quant_method": "awq", "group_size": "128"}},
        {"quantization_config": {"quant_method": "fp8", "weight_block_size": 128}},
    ],
)
def test_a_hostile_config_is_refused_in_words(fields):
    with pytest.raises(BadConfig):
        config(**fields)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content):
    with pytest.raises(BadConfig):
        parse_object(content, "config.json")


@pytest.mark.parametrize("seed", range(30))
def test_any_damage_is_either_read_or_refused(seed):
    text = json.dumps({**LLAMA, "quantization_config": {"quant_method": "gptq"}})
    damaged = text[: seed * 11] + "9" + text[seed * 11 + 2 :]
    try:
        parse_config(parse_object(damaged.encode(), "config.json"))
    except CannotPlan as reason:
        assert str(reason)


def test_no_quantization_is_none():
    assert parse_quantization(None).method == ""
