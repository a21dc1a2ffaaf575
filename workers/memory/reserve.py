"""What vLLM keeps beside weights and cache: activations, sampler, CUDA graphs.

Estimates from the shapes of vLLM 0.32's profiling run (`GPUModelRunner.profile_run`).
They were not measured on a GPU: leave room, and read what vLLM logs at its start.
"""

from dataclasses import dataclass

from workers.memory.config import ModelConfig

GIB, MIB = 1 << 30, 1 << 20
# The allocator's splinters, input buffers and the kernels' workspaces.
WORKSPACE = 256 * MIB
# A logit while it is sampled: 16 bits, float32, probability, random number.
SAMPLER_BYTES = 2 + 4 + 4 + 4
# About 0.55 GiB for 67 graphs of 32 layers, as vLLM logs for models of 8B.
GRAPH_LAYER_BYTES = MIB // 4
LARGEST_GRAPH = 512
# What lives outside of vLLM's share: CUDA's own context, a desktop's little rest.
OUTSIDE = 3 * GIB // 4
MOST_UTILIZATION = 0.95


@dataclass(frozen=True)
class Steps:
    """How much vLLM does in a step."""

    max_num_seqs: int
    max_num_batched_tokens: int
    has_graphs: bool = True
    has_tower: bool = True


def activation_bytes(config: ModelConfig, steps: Steps) -> int:
    """Return the most that one step needs at a time, in bytes."""
    peaks = [_layer(config, steps), _sampler(config, steps)]
    if config.tower and steps.has_tower:
        peaks.append(_encoder(config, steps))
    return max(peaks) + WORKSPACE


def _layer(config: ModelConfig, steps: Steps) -> int:
    """Return a layer's peak: its MLP's gate, up and product, or its attention."""
    width = config.experts.width if config.experts else config.intermediate
    mlp = 3 * width
    attention = (2 * config.heads + 2 * config.kv_heads) * config.head_dim
    # Beside it lie the layer's input and the residual.
    elements = max(mlp, attention) + 2 * config.hidden
    return steps.max_num_batched_tokens * elements * config.dtype_bytes


def _sampler(config: ModelConfig, steps: Steps) -> int:
    states = steps.max_num_batched_tokens * config.hidden * config.dtype_bytes
    return states + steps.max_num_seqs * config.vocabulary * SAMPLER_BYTES


def _encoder(config: ModelConfig, steps: Steps) -> int:
    """Return the image encoder's peak over as many images as a step may hold."""
    tower = config.tower
    if tower is None:
        return 0
    images = max(steps.max_num_batched_tokens // tower.tokens, 1)
    elements = 2 * tower.intermediate + 4 * tower.hidden
    return images * tower.positions * elements * config.dtype_bytes


def graph_bytes(config: ModelConfig, steps: Steps) -> int:
    """Return what the CUDA graphs of decoding take, in bytes."""
    if not steps.has_graphs:
        return 0
    largest = min(2 * steps.max_num_seqs, LARGEST_GRAPH, steps.max_num_batched_tokens)
    # 1, 2, 4, then every 8th size up to 256, then every 16th (vLLM's VllmConfig).
    sizes = 3 + min(largest, 255) // 8 + max(largest - 240, 0) // 16
    return sizes * len(config.layers) * GRAPH_LAYER_BYTES


def best_utilization(gpu: int) -> float:
    """Return the share of a card that vLLM may take, in steps of 0.01."""
    share = int(100 * (gpu - OUTSIDE) / gpu) / 100
    return max(min(share, MOST_UTILIZATION), 0.0)
