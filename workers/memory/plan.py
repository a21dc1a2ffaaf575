"""Decide how a model runs best on a GPU, or why it does not. Pure.

The best plan has the most requests in flight that the cache really holds, because
batches want throughput; then the largest steps; then the longest requests.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from workers.memory.kv_cache import (
    CacheSettings,
    KvCache,
    divide,
    element_bytes,
    longest_for_one,
)
from workers.memory.reserve import (
    Steps,
    activation_bytes,
    best_utilization,
    graph_bytes,
)
from workers.memory.sizes import gib
from workers.memory.weights import Model, Weights, weigh
from workers.memory.wishes import Wish

# A typical line of a batch: 400 tokens in, 220 out (performance §1.2).
TYPICAL_TOKENS = 620
# So many requests of full length should fit beside each other.
FULL_LENGTH_REQUESTS = 4
SEQUENCES = (512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
# Steps of 512 sequences pay off for small models only (performance §5.11).
SMALL_PARAMETERS, MOST_SEQUENCES_OF_LARGE = 4_500_000_000, 256
STEP_TOKENS = (8192, 4096, 2048)
SHORTEST = 256
# A GPU's scheduler plans one step ahead of the one that runs.
STEPS_IN_FLIGHT = 2


@dataclass(frozen=True)
class Plan:
    """One way to run a model, and whether it works."""

    model: Model
    wish: Wish
    weights: Weights
    steps: Steps
    utilization: float
    activations: int
    graphs: int
    cache: KvCache

    @property
    def budget(self) -> int:
        """The bytes vLLM may use."""
        return int(self.wish.gpu * self.utilization)

    @property
    def left(self) -> int:
        """The bytes that remain for the cache; negative if there are too few."""
        return self.budget - self.weights.bytes - self.activations - self.graphs

    @property
    def fits(self) -> bool:
        """Tell whether vLLM would start."""
        return self.left > 0 and self.cache.holds_one

    @property
    def max_model_len(self) -> int:
        """Tokens of the longest request."""
        return self.cache.settings.max_model_len

    @property
    def requests(self) -> int:
        """Typical requests that the cache holds and the scheduler admits at once."""
        tokens = min(TYPICAL_TOKENS, self.wish.max_model_len or TYPICAL_TOKENS)
        return min(self.cache.requests_of(tokens), self.steps.max_num_seqs)

    @property
    def reason(self) -> str:
        """Say in a sentence why it fits or not."""
        if self.fits:
            return (
                f"{gib(self.left)} remain for the KV cache:"
                f" {self.cache.tokens:,} tokens."
            )
        if self.weights.bytes >= self.budget:
            return (
                f"The weights alone take {gib(self.weights.bytes)}; vLLM may use"
                f" {gib(self.budget)}."
            )
        if self.left <= 0:
            return (
                f"Weights, activations and CUDA graphs take {gib(-self.left)} more than"
                f" the {gib(self.budget)} vLLM may use."
            )
        return (
            f"{gib(self.left)} remain for the KV cache; one request of"
            f" {self.max_model_len:,} tokens needs {gib(self.cache.bytes_for_one)}."
        )


def make_plan(model: Model, wish: Wish) -> Plan:
    """Return the best plan the wish leaves room for; raises CannotPlan."""
    weights = weigh(model, wish.loading)
    utilization = wish.gpu_memory_utilization or best_utilization(wish.gpu)
    plans = [
        _try(model, wish, weights, steps=steps, utilization=utilization)
        for steps in _choices(wish, weights.parameters)
    ]
    return max(plans, key=_worth)


def _worth(plan: Plan) -> tuple[bool, int, int, int]:
    steps = plan.steps
    # As many sequences as the cache holds: more of them only push each other out.
    idle = steps.max_num_seqs - plan.requests
    return plan.fits, plan.requests, steps.max_num_batched_tokens, -idle


def _choices(wish: Wish, parameters: int) -> Iterator[Steps]:
    most = SEQUENCES[0]
    if parameters > SMALL_PARAMETERS:
        most = MOST_SEQUENCES_OF_LARGE
    for tokens in _given(wish.max_num_batched_tokens) or STEP_TOKENS:
        for seqs in _given(wish.max_num_seqs) or SEQUENCES:
            if wish.max_num_seqs or seqs <= most:
                yield Steps(seqs, tokens, wish.has_graphs, wish.has_tower)


def _given(value: int | None) -> tuple[int, ...]:
    return () if value is None else (value,)


def _try(
    model: Model, wish: Wish, weights: Weights, *, steps: Steps, utilization: float
) -> Plan:
    config = model.config
    activations = activation_bytes(config, steps)
    graphs = graph_bytes(config, steps)
    left = int(wish.gpu * utilization) - weights.bytes - activations - graphs
    settings = CacheSettings(
        max_model_len=wish.max_model_len or config.longest,
        block_size=wish.block_size,
        in_flight=STEPS_IN_FLIGHT * steps.max_num_batched_tokens,
        element_bytes=element_bytes(config, wish.kv_cache_dtype),
    )
    cache = divide(config, left, settings)
    if wish.max_model_len is None:
        cache = _lengthen(cache, config.longest)
    return Plan(
        model=model,
        wish=wish,
        weights=weights,
        steps=steps,
        utilization=utilization,
        activations=activations,
        graphs=graphs,
        cache=cache,
    )


def _lengthen(cache: KvCache, longest: int) -> KvCache:
    """Choose max_model_len: long, but with room for several such requests."""
    length = longest
    while length > SHORTEST:
        found = cache.with_length(length)
        if found.concurrency >= FULL_LENGTH_REQUESTS:
            return found
        # The power of two below.
        length = 1 << ((length - 1).bit_length() - 1)
    return cache.with_length(longest_for_one(cache, longest) or min(SHORTEST, longest))
