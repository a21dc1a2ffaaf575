"""What heartbeats tell of workers and GPUs, as metrics."""

from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily

from vllm_batch.lib.clock import database_now
from workers.models import Heartbeat
from workers.status import SILENCE

_WORKER = ["host", "slot"]


class _Of(NamedTuple):
    """A metric of a card: its name, its meaning, and its key in the heartbeat."""

    name: str
    text: str
    key: str


_CARD = (
    _Of("vllm_gpu_temperature_celsius", "The GPU's temperature.", "celsius"),
    _Of("vllm_gpu_memory_used_bytes", "Used memory of the GPU.", "memory_used"),
    _Of("vllm_gpu_memory_total_bytes", "Memory of the GPU.", "memory_total"),
    _Of("vllm_gpu_utilization_percent", "Time the GPU was busy.", "utilization"),
    _Of("vllm_gpu_power_watts", "Power the GPU takes.", "watts"),
)


def workers() -> Iterator[GaugeMetricFamily]:
    """Yield one sample a worker, and a card where it has one."""
    now = database_now()
    beats = list(Heartbeat.objects.all())
    alive = [beat for beat in beats if now - beat.beat_at < SILENCE]
    up = GaugeMetricFamily(
        "vllm_worker_up", "Whether a worker gave a sign of life.", labels=_WORKER
    )
    for beat in beats:
        up.add_metric([beat.host, beat.slot], float(beat in alive))
    yield up
    state = GaugeMetricFamily(
        "vllm_worker_state",
        "1 for the state a living worker is in.",
        labels=[*_WORKER, "state"],
    )
    flying = GaugeMetricFamily(
        "vllm_requests_in_flight", "Lines at a worker's engine now.", labels=_WORKER
    )
    for beat in alive:
        for name in Heartbeat.State.values:
            state.add_metric([beat.host, beat.slot, name], float(beat.state == name))
        flying.add_metric([beat.host, beat.slot], beat.requests_in_flight)
    yield state
    yield flying
    yield from _cards(alive)


def _cards(alive: list[Heartbeat]) -> Iterator[GaugeMetricFamily]:
    for metric in _CARD:
        family = GaugeMetricFamily(metric.name, metric.text, labels=_WORKER)
        for beat in alive:
            if isinstance(value := beat.gpu.get(metric.key), int | float):
                family.add_metric([beat.host, beat.slot], value)
        yield family
