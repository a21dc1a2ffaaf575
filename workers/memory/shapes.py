"""The matrices of a decoder, from its config alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from workers.memory.config import ModelConfig, Tower


@dataclass(frozen=True, slots=True)
class Matrix:
    """So many matrices of `rows` outputs and `columns` inputs; a vector has one row."""

    rows: int
    columns: int
    count: int = 1
    # A layer's projection, which formats of 4 and 8 bits shrink; the rest stays as is.
    is_linear: bool = False

    @property
    def elements(self) -> int:
        """How many numbers all of them hold."""
        return self.rows * self.columns * self.count


def matrices_of(config: ModelConfig, *, has_tower: bool = True) -> list[Matrix]:
    """Return every matrix and vector of the model."""
    found = [Matrix(config.vocabulary, config.hidden)]
    if not config.is_tied:
        found.append(Matrix(config.vocabulary, config.hidden))
    found += _attention(config)
    found += _mlp(config)
    found += _norms(config)
    if has_tower and config.tower:
        found += _tower(config.tower, config.hidden)
    return found


def _attention(config: ModelConfig) -> Iterator[Matrix]:
    layers, hidden = len(config.layers), config.hidden
    queries = config.heads * config.head_dim
    keys = config.kv_heads * config.head_dim
    yield Matrix(queries, hidden, layers, is_linear=True)
    yield Matrix(keys, hidden, 2 * layers, is_linear=True)
    yield Matrix(hidden, queries, layers, is_linear=True)
    if config.has_attention_bias:
        yield Matrix(1, queries + 2 * keys, layers)
    if config.has_output_bias:
        yield Matrix(1, hidden, layers)
    if config.family.qk_norm == "all":
        yield Matrix(1, queries + keys, layers)
    if config.family.qk_norm == "head":
        yield Matrix(1, 2 * config.head_dim, layers)


def _mlp(config: ModelConfig) -> Iterator[Matrix]:
    layers, hidden = len(config.layers), config.hidden
    experts = config.experts
    if experts is None:
        yield from _gated(hidden, config.intermediate, layers)
        return
    yield Matrix(experts.count, hidden, layers)
    yield from _gated(hidden, experts.width, layers * experts.count)
    if experts.shared_width:
        yield from _gated(hidden, experts.shared_width, layers)


def _gated(hidden: int, width: int, count: int) -> Iterator[Matrix]:
    """Return gate, up and down projections."""
    yield Matrix(width, hidden, 2 * count, is_linear=True)
    yield Matrix(hidden, width, count, is_linear=True)


def _norms(config: ModelConfig) -> Iterator[Matrix]:
    yield Matrix(1, config.hidden, config.family.norms * len(config.layers) + 1)


def _tower(tower: Tower, text_hidden: int) -> Iterator[Matrix]:
    """Return SigLIP's parts and Gemma's projector; three colours a patch."""
    hidden, layers = tower.hidden, tower.layers
    yield Matrix(hidden, 3 * tower.patch * tower.patch + 1)
    yield Matrix(tower.positions, hidden)
    yield Matrix(hidden, hidden + 1, 4 * layers)
    yield Matrix(tower.intermediate, hidden + 1, layers)
    yield Matrix(hidden, tower.intermediate + 1, layers)
    yield Matrix(1, hidden, 4 * layers + 2)
    yield Matrix(text_hidden, hidden)
    yield Matrix(1, hidden)
