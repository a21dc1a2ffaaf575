"""What goes between the worker and a replica: blocks of requests, blocks of answers.

One call of an actor costs a fraction of a millisecond on both sides, whatever it
carries, so none of them carries a single line (bench ray).
"""

from typing import Any, NamedTuple, TypeAlias

# How long a replica waits for something to tell before it says that it lives.
BEAT_SECONDS = 1.0
# How long answers, and requests, are gathered into a block.
LINGER_SECONDS = 0.02
GATHER_SECONDS = 0.004
BLOCK_BYTES = 4 << 20
NO_ANSWER = 0

# Its number, the URL and the body.
Request: TypeAlias = tuple[int, str, bytes]
# Its number, the status, the body, Retry-After and the tries. The status NO_ANSWER
# means a broken connection, and the body says which.
Reply: TypeAlias = tuple[int, int, bytes, float | None, int]


class Facts(NamedTuple):
    """What a replica is, once its engine has started."""

    concurrency: int
    manifest: dict[str, Any]
    node: str
    # The accelerator's name by Ray; empty without one.
    gpu: str


class Refusal(NamedTuple):
    """Why a replica's engine did not start."""

    text: str
    is_lasting: bool


class Beat(NamedTuple):
    """What a replica tells at once: answers, and how it is."""

    replies: list[Reply]
    # A number that grows while the engine works; None: it cannot tell.
    progress: int | None
    # What its engine died of, or empty.
    death: str
    # It was idle for long and takes no more requests.
    is_leaving: bool
    # What vLLM counted, as Prometheus reads it; empty if nothing is new.
    metrics: bytes


class Spec(NamedTuple):
    """What a replica needs to build its engine."""

    # Dotted path of the engine's class.
    engine: str
    model: str
    source: str
    engine_args: dict[str, Any]
    # Settings of this project and variables of the worker's environment.
    settings: dict[str, Any]
    environ: dict[str, str]
    # Texts that arguments name by a path on the worker's disk.
    texts: dict[str, str]
    block_lines: int
    idle_seconds: float
    has_gpu: bool
