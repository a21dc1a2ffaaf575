"""The page docs/reference/models.md: the ready-made models on cards of four sizes."""

from collections.abc import Iterator
from dataclasses import replace

from workers.memory.advice import FEW_REQUESTS
from workers.memory.plan import Plan, make_plan
from workers.memory.quantization import AWQ, ONLINE
from workers.memory.sources import Source, read_model
from workers.memory.weights import Model
from workers.memory.wishes import Wish

GIB = 1 << 30
CARDS = (8, 12, 16, 24)
MODELS = {
    "Llama 3.2 1B": "meta-llama/Llama-3.2-1B-Instruct",
    "Llama 3.2 3B": "meta-llama/Llama-3.2-3B-Instruct",
    "Qwen 3 4B": "Qwen/Qwen3-4B",
    "Gemma 3 4B": "google/gemma-3-4b-it",
    "Gemma 3 12B": "google/gemma-3-12b-it",
    "OLMo 2 7B": "allenai/OLMo-2-1124-7B-Instruct",
    "OLMo 2 13B": "allenai/OLMo-2-1124-13B-Instruct",
}
# In the order of preference: the fewest bits come last.
FORMATS = {"16 bits": None, "FP8": ONLINE["fp8_per_tensor"], "4 bits": AWQ}
INTRODUCTION = """\
# Models

What the ready-made models do on cards of four sizes, as `plan_model` computes it. This
page is made by `manage.py model_table` from the facts in `workers/presets/facts/`, and
a test compares the two.

- **weights**: the widest format in which the card still holds 16 typical requests (620
  tokens), or else the one that holds most. *FP8* is `quantization = "fp8_per_tensor"`,
  made from the 16-bit checkpoint while vLLM loads it. *4 bits* is a checkpoint in AWQ
  or GPTQ with groups of 128.
- **cache**: tokens in the KV cache, in requests of `max_model_len`, as vLLM logs them.
- **step**: `max_num_batched_tokens`. **share**: `gpu_memory_utilization`.
- **at once**: typical requests that the cache holds at the same time.
- Gemma comes without its image encoder (`language_model_only = true`). Keys and values
  are kept in 16 bits; `kv_cache_dtype = "fp8"` doubles the cache, if you choose it.

What activations and CUDA graphs take is an estimate that was not measured on these
cards. `workers/presets/models-16gib.toml` holds the arguments for 16 GiB; how to use
it: [Fit a model on your GPU](../how-to/fit-a-model-on-your-gpu.md). The keys of a
model, its request limits among them: [Served models](served-models.md).
"""
COLUMNS = (
    "model",
    "weights",
    "GiB",
    "cache",
    "`max_model_len`",
    "`max_num_seqs`",
    "step",
    "share",
    "at once",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def model_page() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for card in CARDS:
        parts.append(f"## {card} GiB\n\n{HEAD}")
        parts[-1] += "".join(f"\n{row}" for row in _rows(card)) + "\n"
    return "\n".join(parts)


def best_plan(model: Model, gpu: int) -> tuple[str, Plan]:
    """Return the plan in the widest format that runs well, and the format's name."""
    wish = Wish(gpu, has_tower=False)
    plans = [
        (name, make_plan(model, replace(wish, quantization=form)))
        for name, form in FORMATS.items()
    ]
    for name, plan in plans:
        if plan.fits and plan.requests >= FEW_REQUESTS:
            return name, plan
    return max(plans, key=lambda pair: (pair[1].fits, pair[1].requests))


def _rows(card: int) -> Iterator[str]:
    for title, hub_id in MODELS.items():
        model = read_model(Source(title, hub_id))
        name, plan = best_plan(model, card * GIB)
        yield _row(title, name, plan)


def _row(title: str, name: str, plan: Plan) -> str:
    if not plan.fits:
        return f"| {title} | does not fit | | | | | | | |"
    steps = plan.steps
    cells = (
        title,
        name,
        f"{plan.weights.bytes / GIB:.1f}",
        f"{plan.cache.tokens:,}",
        f"{plan.max_model_len:,}",
        str(steps.max_num_seqs),
        str(steps.max_num_batched_tokens),
        str(plan.utilization),
        str(plan.requests),
    )
    return f"| {' | '.join(cells)} |"
