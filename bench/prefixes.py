"""G8: few-shot prompts in our order and in the file's (shuffled), same build."""

from dataclasses import dataclass
from statistics import median
from typing import Any
from unittest.mock import patch

from batches.ordering import Traits
from bench import models, warm
from bench.measure import in_turn, ratio
from bench.options import Options
from bench.report import Report
from bench.warm import MODEL, Warm
from bench.workloads import SUBJECTS, prefix_lines, sources
from workers.running import reading

# A cache of 160 blocks of 128 tokens holds some 15 of the 57 prefixes.
ENGINE_ARGS: dict[str, Any] = {
    "max_model_len": 8192,
    "max_num_seqs": 16,
    "max_num_batched_tokens": 8192,
    "num_gpu_blocks_override": 160,
    "enforce_eager": True,
    "gpu_memory_utilization": 0.2,
    # Left out: vLLM has no flag that says no to it.
    "disable_log_stats": None,
}


class Unsorted(Traits):
    """Traits that leave lines in the file's order."""

    __slots__ = ()

    def __init__(self, url: str, body: bytes, *, fold: bool) -> None:
        super().__init__(url, body, fold=fold)
        self.sort_key = (b"", 0, b"")


@dataclass
class Hits:
    """Prompt tokens asked for, and found in the prefix cache."""

    queries: int = 0
    hits: int = 0

    @property
    def rate(self) -> float:
        """The share found."""
        return self.hits / max(1, self.queries)


def run(options: Options) -> Report:
    """Compare times and hit rates."""
    copies = options.size(10, 3)
    body = {"max_tokens": 8, "temperature": 0, "ignore_eos": True}
    lines = prefix_lines(copies, model=MODEL, **body)
    engine = warm.vllm(models.long(), **ENGINE_ARGS)

    def ours() -> tuple[float, float]:
        return _measure(engine, lines)

    def theirs() -> tuple[float, float]:
        with patch.object(reading, "Traits", Unsorted):
            return _measure(engine, lines)

    engine.run(lines[:40])  # the cache is emptied before each run, so this is enough
    rounds = max(1, options.pairs - 3)
    grouped, shuffled = in_turn([ours, theirs], rounds, warm_up=False)
    report = Report(f"shared prefixes: {len(lines)} prompts over {SUBJECTS} prefixes")
    rates = [median(found[1] for found in each) for each in (grouped, shuffled)]
    bound = 1 - 1 / copies
    report.add(
        "G8",
        "speed in our order / in the file's, shuffled",
        ratio([found[0] for found in shuffled], [found[0] for found in grouped]),
        at_least=1.8,
        detail=f"hit rate {rates[0]:.2f} against {rates[1]:.2f}; no order can exceed"
        f" {bound:.2f}; {sources()}",
    )
    return report


def _measure(engine: Warm, lines: list[bytes]) -> tuple[float, float]:
    """Return the seconds and the hit rate, from an empty prefix cache."""
    client: Any = engine.engine._client  # type: ignore[attr-defined]
    engine._loop.run(client.reset_prefix_cache())
    hits = Hits()
    core = client.engine_core
    receive = core.get_output_async

    async def watched() -> Any:
        outputs = await receive()
        if (stats := outputs.scheduler_stats) is not None:
            hits.queries += stats.prefix_cache_stats.queries
            hits.hits += stats.prefix_cache_stats.hits
        return outputs

    core.get_output_async = watched
    seconds = engine.run(lines, BATCH_FOLD_DUPLICATES=False).seconds
    core.get_output_async = receive
    return seconds, hits.rate
