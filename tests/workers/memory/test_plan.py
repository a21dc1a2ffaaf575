"""What fits, what does not, why, and what would."""

from typing import Any

import pytest

from workers.memory.advice import alternatives
from workers.memory.config import parse_config
from workers.memory.errors import CannotPlan
from workers.memory.plan import make_plan
from workers.memory.quantization import ONLINE
from workers.memory.report import as_json, as_text, engine_args
from workers.memory.reserve import Steps, activation_bytes, best_utilization
from workers.memory.sizes import parse_size
from workers.memory.sources import Source, plan_for, read_model
from workers.memory.weights import Model
from workers.memory.wishes import Wish, wish_of

GIB = 1 << 30
QWEN = Source("qwen", "Qwen/Qwen3-4B")
OLMO = Source("olmo", "allenai/OLMo-2-1124-13B-Instruct")
GEMMA = Source("gemma", "google/gemma-3-4b-it")


def plan(source: Source, gib: int = 16, **args: Any) -> Any:
    return plan_for(source, gib * GIB, **args)


def test_the_parts_add_up_to_the_share():
    found = plan(QWEN)
    parts = found.weights.bytes + found.activations + found.graphs
    cache = found.cache.blocks * found.cache.block_bytes
    assert found.fits
    assert 0 <= found.budget - parts - cache < found.cache.block_bytes


def test_what_the_plan_admits_the_cache_holds():
    found = plan(QWEN)
    assert found.requests <= found.steps.max_num_seqs < 1.4 * found.requests
    assert found.cache.concurrency >= 4


def test_given_arguments_are_kept():
    args: dict[str, Any] = {
        "max_model_len": 2048,
        "max_num_seqs": 20,
        "max_num_batched_tokens": 3000,
        "gpu_memory_utilization": 0.8,
        "kv_cache_dtype": "fp8",
    }
    assert engine_args(plan(QWEN, **args)) == args


def test_the_weights_alone_may_be_too_much():
    assert "The weights alone take 25.55 GiB" in plan(OLMO).reason


def test_the_reserve_may_be_too_much():
    found = plan(QWEN, gib=9, max_num_batched_tokens=8192)
    assert not found.fits and "more than the" in found.reason


def test_one_long_request_may_be_too_much():
    found = plan(QWEN, gib=10, max_model_len=40_960)
    assert not found.fits
    assert "one request of 40,960 tokens needs 5.63 GiB" in found.reason


def test_what_would_fit_is_named():
    changes = [other.change for other in alternatives(plan(OLMO))]
    assert 'quantization = "fp8_per_tensor"' in changes
    assert "a 4-bit checkpoint (AWQ or GPTQ)" in changes


def test_a_shorter_request_is_named_when_the_length_was_given():
    changes = [o.change for o in alternatives(plan(QWEN, gib=10, max_model_len=40_960))]
    assert changes[0] == "a shorter max_model_len"


def test_every_alternative_fits():
    found = plan(OLMO, gib=12)
    assert all(other.plan.fits for other in alternatives(found))


def test_a_good_plan_has_no_alternatives():
    assert alternatives(plan(QWEN)) == []


def test_a_quantized_model_is_not_quantized_again():
    found = plan(OLMO, quantization="fp8_per_tensor")
    assert [other.change for other in alternatives(found)] == ['kv_cache_dtype = "fp8"']


def test_when_nothing_fits_it_says_so():
    assert "take a smaller model" in as_text(plan(OLMO, gib=2))


def test_an_fp8_cache_is_never_chosen():
    assert "kv_cache_dtype" not in engine_args(plan(OLMO, gib=12))


def test_images_cost_room_that_text_does_not_need():
    text = plan(GEMMA, language_model_only=True)
    assert text.left > plan(GEMMA, max_num_batched_tokens=8192).left + GIB
    assert engine_args(text)["language_model_only"] is True


def test_a_large_vocabulary_makes_sampling_the_peak():
    config = read_model(GEMMA).config
    few, many = (activation_bytes(config, Steps(n, 2048)) for n in (8, 512))
    assert many > few


def test_without_graphs_there_is_more_cache():
    fixed = {"max_num_seqs": 64, "max_num_batched_tokens": 2048}
    eager = plan(QWEN, enforce_eager=True, **fixed)
    assert eager.graphs == 0 and eager.left > plan(QWEN, **fixed).left


@pytest.mark.parametrize(
    ("gib", "share"), [(8, 0.9), (12, 0.93), (16, 0.95), (24, 0.95), (80, 0.95)]
)
def test_the_share_leaves_room_for_cuda(gib, share):
    assert best_utilization(gib * GIB) == share


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16GiB", 16 * GIB),
        ("16 gib", 16 * GIB),
        ("16", 16 * GIB),
        ("16G", 16 * GIB),
        ("16GB", 16 * 10**9),
        ("16376MiB", 16376 << 20),
        ("7.5GiB", 15 * GIB // 2),
    ],
)
def test_a_size_is_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "big", "-1GiB", "0GiB", "1e9GiB", "9999999GiB", "16KiB", "²GiB"]
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(CannotPlan):
        parse_size(text)


@pytest.mark.parametrize(
    "args",
    [
        {"max_model_len": "long"},
        {"max_num_seqs": -5},
        {"gpu_memory_utilization": 1.5},
        {"gpu_memory_utilization": "0.9"},
        {"kv_cache_dtype": "int3"},
        {"quantization": "bitsandbytes"},
        {"enforce_eager": "yes"},
        {"block_size": 0},
    ],
)
def test_engine_args_that_make_no_sense_are_refused(args):
    with pytest.raises(CannotPlan):
        wish_of(16 * GIB, args)


def test_engine_args_of_other_kinds_do_not_matter():
    args = {"max_model_len": -1, "quantization": "awq_marlin", "seed": 5}
    assert wish_of(GIB, args) == Wish(GIB)


def test_a_format_made_while_loading_is_passed_on():
    found = plan(QWEN, quantization="fp8_per_tensor")
    assert found.wish.quantization == ONLINE["fp8_per_tensor"]
    assert engine_args(found)["quantization"] == "fp8_per_tensor"


def test_json_has_numbers_and_the_arguments():
    found = as_json(plan(OLMO))
    assert found["fits"] is False and found["weights"]["bytes"] == 27_432_396_800
    assert found["alternatives"][0]["engine_args"]["max_model_len"] > 0


def test_what_is_counted_roughly_is_said():
    values = {
        "model_type": "novel",
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "vocab_size": 10,
        "vision_config": {"model_type": "eye"},
    }
    text = as_text(make_plan(Model("a", parse_config(values)), Wish(8 * GIB)))
    assert "'novel' is not known here" in text and "encoder is not counted" in text
