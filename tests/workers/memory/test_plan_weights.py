"""The bytes of weights: from a formula, from headers, in every format."""

from typing import Any

import pytest

from tests.workers.memory.checkpoints import (
    LLAMA,
    write_config,
    write_index,
    write_safetensors,
)
from workers.memory.config import parse_config
from workers.memory.errors import BadConfig, CannotPlan
from workers.memory.fields import Fields
from workers.memory.quantization import AWQ, NONE, ONLINE, parse_quantization
from workers.memory.safetensors import read_header, read_tensors
from workers.memory.sources import Source, read_model
from workers.memory.weights import Loading, Model, weigh

# At 16 bits a parameter. Those of Gemma 3 4B and Qwen 3 4B were found in public index
# files; the others are what was remembered of theirs, to be checked on a real download.
SIZES = {
    "google/gemma-3-4b-it": 8_600_158_944,
    "google/gemma-3-12b-it": 24_374_650_080,
    "meta-llama/Llama-3.2-1B-Instruct": 2_471_628_800,
    "meta-llama/Llama-3.2-3B-Instruct": 6_425_499_648,
    "Qwen/Qwen3-4B": 8_044_936_192,
    "allenai/OLMo-2-1124-7B-Instruct": 14_597_234_688,
    "allenai/OLMo-2-1124-13B-Instruct": 27_432_396_800,
}
# The two layers of LLAMA by hand: q, k and v, o, gate and up, down.
LINEAR = 2 * (64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 64 * 128)
REST = 2 * 1000 * 64 + 5 * 64


def weights(quantization: Any = None, **fields: Any) -> Any:
    values = {**LLAMA, **fields}
    return weigh(Model("a", parse_config(values)), Loading(quantization))


def form(**fields: Any) -> Any:
    return parse_quantization(Fields(fields))


@pytest.mark.parametrize("hub_id", SIZES)
def test_the_formula_gives_the_known_sizes(hub_id):
    model = read_model(Source(hub_id, hub_id))
    assert weigh(model, Loading()).bytes == SIZES[hub_id]


def test_the_formula_counts_each_matrix():
    assert weights().parameters == LINEAR + REST
    assert weights().bytes == 2 * (LINEAR + REST)


def test_tied_embeddings_count_once():
    assert weights(tie_word_embeddings=True).parameters == LINEAR + REST - 64_000


def test_experts_count_with_their_router():
    fields = {"num_local_experts": 8, "model_type": "mixtral"}
    dense, sparse = weights(), weights(**fields)
    assert sparse.parameters - dense.parameters == 2 * (7 * 3 * 64 * 128 + 8 * 64)


def test_the_image_encoder_can_be_left_out():
    model = read_model(Source("a", "google/gemma-3-4b-it"))
    with_it, without = weigh(model, Loading()), weigh(model, Loading(has_tower=False))
    assert 0.80e9 < with_it.bytes - without.bytes < 0.86e9


@pytest.mark.parametrize(
    ("found", "size"),
    [
        # 128 outputs of 256 inputs: 32,768 numbers, 2 groups of inputs.
        (NONE, 65_536),
        (AWQ, 16_384 + 256 * 2 + 128),
        (form(quant_method="gptq", bits=4), 16_384 + 256 * 2 + 128 + 4 * 256),
        (form(quant_method="gptq", bits=8), 32_768 + 256 * 2 + 256 + 4 * 256),
        (form(quant_method="awq", w_bit=4, q_group_size=64), 16_384 + 512 * 2 + 256),
        (form(quant_method="fp8"), 32_768 + 4),
        (form(quant_method="fp8", weight_block_size=[128, 128]), 32_768 + 2 * 4),
        (ONLINE["fp8_per_channel"], 32_768 + 128 * 4),
        (ONLINE["mxfp8"], 32_768 + 1024),
        (form(quant_method="bitsandbytes", load_in_4bit=True), 16_384 + 512 * 4),
        (
            form(quant_method="bitsandbytes", bnb_4bit_use_double_quant=True),
            16_384 + 512 + 2 * 4,
        ),
        (form(quant_method="bitsandbytes", load_in_8bit=True), 32_768 + 128 * 4),
    ],
)
def test_each_format_has_its_overhead(found, size):
    assert found.matrix_bytes(128, 256, 2) == size


def test_llm_compressors_groups_are_read():
    group = {"num_bits": 4, "strategy": "group", "group_size": 128, "symmetric": True}
    groups = {"config_groups": {"group_0": {"weights": group}}}
    found = form(quant_method="compressed-tensors", **groups)
    assert found.matrix_bytes(128, 256, 2) == 16_384 + 256 * 2


def test_an_unknown_format_needs_the_files():
    with pytest.raises(CannotPlan, match="'new' are counted from their files"):
        weights(quantization_config={"quant_method": "new"})


def test_only_projections_shrink():
    assert weights(ONLINE["mxfp8"]).bytes == LINEAR + LINEAR // 32 + 2 * REST


def test_headers_are_summed_over_all_files(tmp_path):
    write_config(tmp_path)
    write_safetensors(tmp_path / "a.safetensors", {"x": ("BF16", [10, 10])})
    write_safetensors(tmp_path / "b.safetensors", {"y": ("BF16", [5])})
    write_safetensors(tmp_path / "consolidated.safetensors", {"x": ("BF16", [10, 10])})
    files = {"x": "a.safetensors", "y": "b.safetensors"}
    write_index(tmp_path, files, total=1)

    found = weigh(read_model(Source("a", str(tmp_path))), Loading())

    assert (found.bytes, found.basis) == (210, "the safetensors headers")


def test_an_index_alone_gives_the_sum(tmp_path):
    write_config(tmp_path)
    write_index(tmp_path, {"x": "missing.safetensors"}, total=1_000_000)

    found = weigh(read_model(Source("a", str(tmp_path))), Loading())

    assert (found.bytes, found.basis) == (1_000_000, "the safetensors index")


def test_an_index_of_float32_is_halved(tmp_path):
    write_config(tmp_path, torch_dtype="float32")
    write_index(tmp_path, {"x": "missing.safetensors"}, total=1_000_000)
    model = read_model(Source("a", str(tmp_path)))
    assert weigh(model, Loading()).bytes == 500_000


def test_floats_are_cast_and_a_tied_head_is_not_loaded(tmp_path):
    write_config(tmp_path, tie_word_embeddings=True)
    tensors = {"x": ("F32", [100]), "lm_head.weight": ("F32", [1000, 64])}
    write_safetensors(tmp_path / "model.safetensors", tensors)
    assert weigh(read_model(Source("a", str(tmp_path))), Loading()).bytes == 200


def test_a_packed_checkpoint_is_taken_as_it_lies(tmp_path):
    write_config(tmp_path, quantization_config={"quant_method": "new"})
    tensors = {"layers.0.qweight": ("I32", [8, 8]), "scales": ("F16", [8])}
    write_safetensors(tmp_path / "model.safetensors", tensors)
    assert weigh(read_model(Source("a", str(tmp_path))), Loading()).bytes == 256 + 16


def test_projections_of_a_checkpoint_shrink_while_loading(tmp_path):
    write_config(tmp_path)
    tensors = {
        "model.layers.0.mlp.up_proj.weight": ("BF16", [128, 64]),
        "model.layers.0.input_layernorm.weight": ("BF16", [64]),
        "model.vision_tower.layers.0.weight": ("BF16", [64, 64]),
    }
    write_safetensors(tmp_path / "model.safetensors", tensors)
    loading = Loading(ONLINE["fp8_per_tensor"], has_tower=False)
    found = weigh(read_model(Source("a", str(tmp_path))), loading)
    assert found.bytes == 128 * 64 + 4 + 2 * 64


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        b"\x02" + bytes(7) + b"[]",
        b"\x40" + bytes(7) + b'{"a": {"dtype": "X", "shape": [1]}}',
        b"\x40" + bytes(7) + b'{"a": {"dtype": "F32", "shape": [-1]}}',
        b"\x40" + bytes(7) + b'{"a": {"dtype": "F32", "shape": 5}}',
        b"\x40" + bytes(7) + b'{"a": 5}',
    ],
)
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadConfig):
        read_header(path)


def test_an_index_names_files_of_its_folder_only(tmp_path):
    write_safetensors(tmp_path / "out.safetensors", {"x": ("F32", [1])})
    folder = tmp_path / "model"
    write_config(folder)
    write_index(folder, {"x": "../out.safetensors", "y": "/etc/passwd"}, total=1)
    assert read_tensors(folder) is None
