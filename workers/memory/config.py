"""A model's config.json as a value: sizes, layers, quantization."""

from dataclasses import dataclass
from typing import Any

from workers.memory.errors import BadConfig, CannotPlan
from workers.memory.families import Family, family_of
from workers.memory.fields import Fields
from workers.memory.quantization import NONE, Quantization, parse_quantization

MOST_LAYERS = 1024
DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "half": 2, "float32": 2, "float": 2}
FULL, SLIDING, CHUNKED = "full", "sliding", "chunked"
LAYER_KINDS = {
    "full_attention": FULL,
    "sliding_attention": SLIDING,
    "chunked_attention": CHUNKED,
}
# Scaled lengths are written down already: vLLM 0.32, `get_and_verify_max_len`.
UNSCALED = ("default", "su", "longrope", "llama3", "mrope", "proportional", "")


@dataclass(frozen=True)
class Layer:
    """How far one layer looks back: `window` tokens, 0 for everything."""

    kind: str = FULL
    window: int = 0


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of each layer's MLP."""

    count: int
    width: int
    shared_width: int = 0


@dataclass(frozen=True)
class Tower:
    """The image encoder beside the language model (SigLIP's shapes)."""

    layers: int
    hidden: int
    intermediate: int
    patch: int
    positions: int
    # Tokens an image takes in the prompt.
    tokens: int


@dataclass(frozen=True)
class ModelConfig:
    """Everything a plan needs to know of a model."""

    model_type: str
    family: Family
    hidden: int
    intermediate: int
    layers: tuple[Layer, ...]
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    longest: int
    is_tied: bool
    has_attention_bias: bool
    has_output_bias: bool
    dtype_bytes: int
    # As stored: weights of 4 bytes are loaded as 2 (vLLM casts float32 down).
    stored_dtype_bytes: int
    quantization: Quantization = NONE
    experts: Experts | None = None
    tower: Tower | None = None
    has_unknown_tower: bool = False
    # Compressed key and value of multi-head latent attention, in elements; 0: none.
    latent: int = 0

    @property
    def kv_elements(self) -> int:
        """Elements one layer keeps for one token: keys and values of all KV heads."""
        return self.latent or 2 * self.kv_heads * self.head_dim


def parse_config(values: dict[str, Any]) -> ModelConfig:
    """Return the config in a parsed config.json; raises CannotPlan."""
    top = Fields(values)
    text = top.inner("text_config") or top
    model_type = text.text("model_type") or top.text("model_type")
    family = family_of(model_type)
    # What a family leaves out is filled in before anything is read.
    text = Fields({**family.defaults, **_present(text)}, text.name)
    _refuse_unplannable(text)
    heads = text.whole("num_attention_heads")
    hidden = text.whole("hidden_size")
    dtype = _dtype(text) or _dtype(top) or "bfloat16"
    tower, has_unknown_tower = _tower(top)
    has_qkv_bias = text.flag("attention_bias", family.has_qkv_bias)
    return ModelConfig(
        model_type=model_type,
        family=family,
        hidden=hidden,
        intermediate=text.whole("intermediate_size"),
        layers=_layers(text, family),
        heads=heads,
        kv_heads=text.whole("num_key_value_heads", heads),
        head_dim=text.whole("head_dim", max(hidden // heads, 1)),
        vocabulary=text.whole("vocab_size"),
        longest=_longest(text, model_type),
        is_tied=text.flag(
            "tie_word_embeddings", top.flag("tie_word_embeddings", family.is_tied)
        ),
        has_attention_bias=has_qkv_bias,
        has_output_bias=has_qkv_bias and not family.has_qkv_bias,
        dtype_bytes=DTYPE_BYTES.get(dtype, 2),
        stored_dtype_bytes=4 if dtype in ("float32", "float") else 2,
        quantization=parse_quantization(
            top.inner("quantization_config") or text.inner("quantization_config")
        ),
        experts=_experts(text),
        tower=tower,
        has_unknown_tower=has_unknown_tower,
        latent=_latent(text),
    )


def _present(fields: Fields) -> dict[str, Any]:
    return {key: value for key, value in fields.values.items() if value is not None}


def _dtype(fields: Fields) -> str:
    return fields.text("dtype") or fields.text("torch_dtype")


def _refuse_unplannable(text: Fields) -> None:
    """Refuse a cache whose layers differ in size, which is not planned here."""
    for own, usual in (
        ("global_head_dim", "head_dim"),
        ("num_global_key_value_heads", "num_key_value_heads"),
    ):
        if text.has(own) and text.whole(own) != text.whole(usual, 0):
            raise CannotPlan(
                f"The model's layers have caches of different sizes ('{own}'); only"
                " layers of one size are planned."
            )


def _layers(text: Fields, family: Family) -> tuple[Layer, ...]:
    count = text.whole("num_hidden_layers")
    if count > MOST_LAYERS:
        raise BadConfig(f"'num_hidden_layers' is above {MOST_LAYERS}.")
    if kinds := text.texts("layer_types"):
        if len(kinds) != count:
            raise BadConfig("'layer_types' does not name each of the layers.")
        return tuple(_layer(text, kind) for kind in kinds)
    window = text.whole("sliding_window", 0, least=0)
    if not window or not text.flag("use_sliding_window", True):
        return (Layer(),) * count
    every = text.whole("sliding_window_pattern", 0, least=0)
    every = every or text.whole("_sliding_window_pattern", family.full_every, least=0)
    # Qwen counts the layers before its first one with a window.
    first = text.whole("max_window_layers", 0, least=0)
    return tuple(
        Layer()
        if index < first or (every and not (index + 1) % every)
        else Layer(SLIDING, window)
        for index in range(count)
    )


def _layer(text: Fields, name: str) -> Layer:
    kind = LAYER_KINDS.get(name)
    if kind is None:
        raise CannotPlan(f"Layers of the type '{name[:40]}' cannot be planned yet.")
    if kind == SLIDING:
        return Layer(kind, text.whole("sliding_window"))
    if kind == CHUNKED:
        return Layer(kind, text.whole("attention_chunk_size"))
    return Layer()


def _longest(text: Fields, model_type: str) -> int:
    """Return the context the model was made for, as vLLM derives it."""
    longest = text.whole("max_position_embeddings", 2048)
    scaling = text.inner("rope_scaling") or text.inner("rope_parameters")
    # Gemma 3's length is written down scaled (vLLM 0.32, the same place).
    if scaling is None or "gemma3" in model_type:
        return longest
    rope_type = scaling.text("rope_type") or scaling.text("type")
    if rope_type in UNSCALED:
        return longest
    if rope_type == "yarn":
        longest = scaling.whole("original_max_position_embeddings", longest)
    return max(int(longest * scaling.number("factor", 1.0)), 1)


def _experts(text: Fields) -> Experts | None:
    for key in ("num_local_experts", "num_experts", "n_routed_experts"):
        if text.has(key):
            width = text.whole("moe_intermediate_size", text.whole("intermediate_size"))
            shared = text.whole("shared_expert_intermediate_size", 0, least=0)
            return Experts(text.whole(key), width, shared)
    return None


def _latent(text: Fields) -> int:
    if not text.has("kv_lora_rank"):
        return 0
    return text.whole("kv_lora_rank") + text.whole("qk_rope_head_dim")


def _tower(top: Fields) -> tuple[Tower | None, bool]:
    """Return the image encoder, and whether there is one of unknown shape."""
    vision = top.inner("vision_config")
    if vision is None:
        return None, False
    if vision.text("model_type") != "siglip_vision_model":
        return None, True
    patch = vision.whole("patch_size")
    side = vision.whole("image_size") // patch
    tower = Tower(
        layers=min(vision.whole("num_hidden_layers"), MOST_LAYERS),
        hidden=vision.whole("hidden_size"),
        intermediate=vision.whole("intermediate_size"),
        patch=patch,
        positions=side * side,
        tokens=top.whole("mm_tokens_per_image", 256),
    )
    return tower, False
