"""A plan as text for people and as JSON for programs."""

from typing import Any

from workers.memory.advice import alternatives
from workers.memory.kv_cache import bytes_per_token, longest_for_one
from workers.memory.plan import Plan
from workers.memory.sizes import gib


def engine_args(plan: Plan) -> dict[str, Any]:
    """Return the plan as `engine_args` of a served model."""
    wish = plan.wish
    found: dict[str, Any] = {
        "max_model_len": plan.max_model_len,
        "max_num_seqs": plan.steps.max_num_seqs,
        "max_num_batched_tokens": plan.steps.max_num_batched_tokens,
        "gpu_memory_utilization": plan.utilization,
    }
    if wish.kv_cache_dtype != "auto":
        found["kv_cache_dtype"] = wish.kv_cache_dtype
    if wish.quantization and wish.quantization.is_online:
        found["quantization"] = wish.quantization.method
    if not wish.has_tower:
        found["language_model_only"] = True
    return found


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON; sizes are bytes."""
    cache, config = plan.cache, plan.model.config
    return {
        "model": plan.model.name,
        "gpu_bytes": plan.wish.gpu,
        "fits": plan.fits,
        "reason": plan.reason,
        "weights": {
            "bytes": plan.weights.bytes,
            "parameters": plan.weights.parameters,
            "format": plan.weights.method,
            "counted_from": plan.weights.basis,
        },
        "activations_bytes": plan.activations,
        "cuda_graphs_bytes": plan.graphs,
        "kv_cache": {
            "bytes": max(plan.left, 0),
            "bytes_per_token": bytes_per_token(config, cache.settings.element_bytes),
            "blocks": cache.blocks,
            "block_size": cache.settings.block_size,
            "tokens": cache.tokens,
            "longest_request": longest_for_one(cache, config.longest),
        },
        "typical_requests_at_once": plan.requests,
        "engine_args": engine_args(plan),
        "warnings": warnings(plan),
        "alternatives": [
            {"change": other.change, "engine_args": engine_args(other.plan)}
            for other in alternatives(plan)
        ],
    }


def as_text(plan: Plan) -> str:
    """Return the plan as lines for a terminal or the admin."""
    verdict = "fits" if plan.fits else "does not fit"
    lines = [
        f"{plan.model.name} {verdict} on {gib(plan.wish.gpu)}. {plan.reason}",
        "",
        *_sizes(plan),
    ]
    if plan.fits:
        lines += ["", "Best engine_args:", *_args(plan)]
    if others := alternatives(plan):
        lines += ["", "Better:" if plan.fits else "It fits with:"]
        lines += [f"  {other.change}: {_short(other.plan)}" for other in others]
    elif not plan.fits:
        lines += ["", "Nothing that is known here makes it fit: take a smaller model."]
    lines += [f"Note: {text}" for text in warnings(plan)]
    return "\n".join(lines)


def warnings(plan: Plan) -> list[str]:
    """Return what the numbers leave out."""
    config, found = plan.model.config, []
    counted = plan.weights.basis == "config.json"
    if counted and not config.family.is_known:
        kind = config.model_type or "nothing"
        found.append(f"model_type '{kind}' is not known here; it is counted as Llama.")
    if counted and config.has_unknown_tower:
        found.append("the model's image or audio encoder is not counted.")
    if config.quantization.method == "bitsandbytes":
        found.append("vLLM 0.32 no longer loads bitsandbytes checkpoints.")
    return found


def _sizes(plan: Plan) -> list[str]:
    cache, weights = plan.cache, plan.weights
    per_token = bytes_per_token(plan.model.config, cache.settings.element_bytes)
    rows = [
        ("vLLM's share", plan.budget, f"gpu_memory_utilization {plan.utilization}"),
        (
            "weights",
            weights.bytes,
            f"{weights.parameters:,} parameters, {weights.method},"
            f" from {weights.basis}",
        ),
        ("activations", plan.activations, "estimated, with the sampler"),
        ("CUDA graphs", plan.graphs, "estimated"),
        (
            "KV cache",
            max(plan.left, 0),
            f"{cache.blocks:,} blocks of {cache.settings.block_size},"
            f" {per_token / 1024:g} KiB a token in all layers",
        ),
    ]
    return [f"  {name:13} {gib(size):>10}  {note}" for name, size, note in rows]


def _args(plan: Plan) -> list[str]:
    args = engine_args(plan)
    return [f"  {name} = {_toml(value)}" for name, value in args.items()]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _short(plan: Plan) -> str:
    return (
        f"max_model_len {plan.max_model_len:,}, {plan.requests} typical requests at"
        " once"
    )
