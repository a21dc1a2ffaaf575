"""What a worker counts, a segment of results at a time (bench own_cpu)."""

from collections import Counter as Tally
from collections import deque

from prometheus_client import Counter, Gauge, Histogram

from batches.metrics import LEASE_EXPIRIES
from batches.models import Cause
from batches.segments import Results
from vllm_batch.lib.metrics import BulkHistogram, bulk

_SECONDS = (
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640,
)  # fmt: skip
_LOADING = (1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
_COMMIT = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OUTCOMES = ("completed", "failed")
WAYS = ("load", "wake")
_TOKENS = {
    "input_tokens": "input",
    "cached_tokens": "cached",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
}

REQUESTS = Counter("vllm_request", "Lines with a durable result.", ["model", "outcome"])
FAILURES = Counter(
    "vllm_request_failures", "Lines that failed, by cause.", ["model", "cause"]
)
FOLDED = Counter(
    "vllm_request_folded", "Lines that got an equal line's answer.", ["model"]
)
RETRIES = Counter(
    "vllm_request_retries", "Tries of a line after its first one.", ["model"]
)
DURATION = BulkHistogram(
    "vllm_request_duration_seconds",
    "From sending a line to the engine to its answer, retries included.",
    ["model"],
    buckets=_SECONDS,
)
TOKENS = Counter("vllm_tokens", "Tokens of durable results.", ["model", "kind"])
STARVED = Counter(
    "vllm_engine_starved_seconds",
    "Time in which a running engine had fewer requests than it runs at once.",
    ["model"],
)
DEATHS = Counter("vllm_engine_deaths", "Engines that died at work.", ["model"])
REPLICAS = Gauge(
    "vllm_engine_replicas",
    "Replicas of an engine on a Ray cluster that are ready.",
    ["model"],
    multiprocess_mode="livesum",
)
LOAD_FAILURES = Counter(
    "vllm_model_load_failures", "Models that did not load.", ["model"]
)
SWAPS = Histogram(
    "vllm_model_swap_seconds",
    "How long a model took to load or to wake.",
    ["model", "way"],
    buckets=_LOADING,
)
COMMITS = Histogram(
    "vllm_segment_commit_seconds",
    "How long making a segment durable took: its file, its transaction.",
    ["part"],
    buckets=_COMMIT,
)
FENCED = Counter(
    "vllm_fenced_writes", "Segments refused: the chunk had another owner.", ["model"]
)
ENDPOINT_ERRORS = Counter(
    "vllm_endpoint_errors",
    "Requests that an endpoint did not answer well, by kind.",
    ["model", "endpoint", "kind"],
)
ENDPOINT_IN_FLIGHT = Gauge(
    "vllm_endpoint_requests_in_flight",
    "Requests at an endpoint now.",
    ["model", "endpoint"],
    multiprocess_mode="livesum",
)
ENDPOINT_LIMIT = Gauge(
    "vllm_endpoint_limit",
    "How many requests an endpoint is given at once; 0 while it gets none.",
    ["model", "endpoint"],
    multiprocess_mode="livesum",
)
ENDPOINT_ASIDE = Gauge(
    "vllm_endpoint_set_aside",
    "Whether an endpoint is set aside until a probe is answered.",
    ["model", "endpoint"],
    multiprocess_mode="livesum",
)
RESTARTS = Counter(
    "vllm_cluster_restarts", "Queue clusters that ended and are replaced.", ["cluster"]
)


_ENDPOINT_GAUGES = (ENDPOINT_IN_FLIGHT, ENDPOINT_LIMIT, ENDPOINT_ASIDE)


class Durations:
    """Collects how long requests took; one thread adds, another one takes."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque()
        self.add = self._seconds.append

    def take(self) -> list[float]:
        """Hand over what was collected since the last time."""
        return [self._seconds.popleft() for _ in range(len(self._seconds))]


def expect(model: str) -> None:
    """Let a model's rare events stand at 0 before the first one: a rise can be seen."""
    for counter in (RETRIES, STARVED, DEATHS, FENCED, FOLDED, LEASE_EXPIRIES):
        counter.labels(model)
    LOAD_FAILURES.labels(model)
    for cause in Cause.values:
        FAILURES.labels(model, cause)
    for outcome in OUTCOMES:
        REQUESTS.labels(model, outcome)


def tell_endpoint(model: str, endpoint: str, values: tuple[int, int, int]) -> None:
    """Set an endpoint's gauges: in flight, limit, set aside."""
    for gauge, value in zip(_ENDPOINT_GAUGES, values, strict=True):
        gauge.labels(model, endpoint).set(value)


def note_results(model: str, results: Results, seconds: list[float]) -> None:
    """Count the results of a segment that was just committed."""
    REQUESTS.labels(model, "completed").inc(len(results.output))
    REQUESTS.labels(model, "failed").inc(len(results.error))
    for field, kind in _TOKENS.items():
        if count := results.usage[field]:
            TOKENS.labels(model, kind).inc(count)
    causes = Tally(failure.cause for failure in results.failures)
    for cause, count in causes.items():
        FAILURES.labels(model, cause).inc(count)
    if folded := results.outcomes["folded"]:
        FOLDED.labels(model).inc(folded)
    if seconds:
        bulk(DURATION.labels(model)).observe_all(seconds)
