"""How many bytes a model's weights take once they are loaded."""

from dataclasses import dataclass

from workers.memory.config import ModelConfig
from workers.memory.errors import CannotPlan
from workers.memory.quantization import Quantization
from workers.memory.safetensors import FLOATS, Tensor
from workers.memory.shapes import matrices_of

TOWERS = ("vision_tower.", "vision_model.", "multi_modal_projector.", "visual.")


@dataclass(frozen=True)
class Model:
    """What is known of a model: its config, and its checkpoint as far as it is here."""

    name: str
    config: ModelConfig
    tensors: tuple[Tensor, ...] | None = None
    # The index's sum of bytes, where the files themselves are not here.
    total: int | None = None


@dataclass(frozen=True)
class Weights:
    """The weights' bytes, and where the number comes from."""

    bytes: int
    parameters: int
    basis: str
    method: str


@dataclass(frozen=True)
class Loading:
    """How the weights are loaded: None as they are, or in another format."""

    quantization: Quantization | None = None
    has_tower: bool = True
    dtype_bytes: int = 0


def weigh(model: Model, loading: Loading) -> Weights:
    """Return the bytes of the loaded weights; raises CannotPlan."""
    config = model.config
    form = loading.quantization or config.quantization
    parameters = _parameters(config, loading)
    name = form.method or f"{8 * (loading.dtype_bytes or config.dtype_bytes)} bits"
    if model.tensors is not None:
        size = _from_tensors(model.tensors, config, loading)
        return Weights(size, parameters, "the safetensors headers", name)
    formula = _from_config(config, loading, form)
    if model.total is None:
        return Weights(formula, parameters, "config.json", name)
    stored = Loading(None, True, config.stored_dtype_bytes)
    whole = _from_config(config, stored, config.quantization)
    size = round(model.total * formula / whole)
    return Weights(size, parameters, "the safetensors index", name)


def _parameters(config: ModelConfig, loading: Loading) -> int:
    matrices = matrices_of(config, has_tower=loading.has_tower)
    return sum(matrix.elements for matrix in matrices)


def _from_config(config: ModelConfig, loading: Loading, form: Quantization) -> int:
    if config.latent:
        raise CannotPlan(
            "Weights of models with latent attention are counted from their files only:"
            " give the folder with the safetensors files."
        )
    if not form.bits:
        raise CannotPlan(
            f"Weights in the format '{form.method}' are counted from their files only:"
            " give the folder with the safetensors files."
        )
    size = loading.dtype_bytes or config.dtype_bytes
    return sum(
        matrix.count * form.matrix_bytes(matrix.rows, matrix.columns, size)
        if matrix.is_linear
        else matrix.elements * size
        for matrix in matrices_of(config, has_tower=loading.has_tower)
    )


def _from_tensors(
    tensors: tuple[Tensor, ...], config: ModelConfig, loading: Loading
) -> int:
    return sum(
        _tensor_bytes(tensor, config, loading)
        for tensor in tensors
        if not (config.is_tied and tensor.name.endswith("lm_head.weight"))
        and (loading.has_tower or not is_of_tower(tensor.name))
    )


def _tensor_bytes(tensor: Tensor, config: ModelConfig, loading: Loading) -> int:
    """Return the bytes after loading: floats are cast, packed integers stay."""
    if config.quantization.method or tensor.dtype not in FLOATS:
        return tensor.bytes
    size = loading.dtype_bytes or config.dtype_bytes
    form = loading.quantization
    if form and is_linear(tensor) and tensor.shape[-1]:
        columns = tensor.shape[-1]
        return form.matrix_bytes(tensor.elements // columns, columns, size)
    return tensor.elements * size


def is_of_tower(name: str) -> bool:
    """Tell whether the tensor belongs to an image encoder."""
    return any(part in name for part in TOWERS)


def is_linear(tensor: Tensor) -> bool:
    """Tell whether the tensor is a projection of a decoder's layer."""
    return (len(tensor.shape) >= 2 and "layers." in tensor.name) and not is_of_tower(
        tensor.name
    )
