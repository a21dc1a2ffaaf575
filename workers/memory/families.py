"""What a model's config.json leaves unsaid, by `model_type`.

Defaults and shapes as in transformers 5's configuration classes. A family that is not
listed is counted as Llama, which is what most are; `is_known` says so.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """How the layers of a family differ from Llama's."""

    is_known: bool = True
    is_tied: bool = False
    has_qkv_bias: bool = False
    # RMS norms of a layer's input and output, each as wide as the hidden state.
    norms: int = 2
    # Norms of queries and keys: "" none, "head" one per head's width, "all" full width.
    qk_norm: str = ""
    # Every n-th layer attends to everything, the others to a window; 0: all do.
    full_every: int = 0
    defaults: dict[str, int] = field(default_factory=dict)


_GEMMA3 = Family(
    is_tied=True,
    norms=4,
    qk_norm="head",
    full_every=6,
    defaults={
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 262_208,
        "max_position_embeddings": 131_072,
        "sliding_window": 4096,
    },
)
FAMILIES = {
    "llama": Family(),
    "mistral": Family(),
    "mixtral": Family(),
    "phi3": Family(),
    "olmo2": Family(qk_norm="all"),
    "qwen2": Family(has_qkv_bias=True),
    "qwen3": Family(qk_norm="head", defaults={"head_dim": 128}),
    "qwen3_moe": Family(qk_norm="head", defaults={"head_dim": 128}),
    "gemma": Family(is_tied=True, defaults={"head_dim": 256}),
    "gemma2": Family(
        is_tied=True,
        norms=4,
        full_every=2,
        defaults={"head_dim": 256, "sliding_window": 4096},
    ),
    "gemma3_text": _GEMMA3,
    "gemma3": _GEMMA3,
}
UNKNOWN = Family(is_known=False)


def family_of(model_type: str) -> Family:
    """Return the family of a `model_type`."""
    return FAMILIES.get(model_type, UNKNOWN)
