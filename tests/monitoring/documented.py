"""The names of all our metrics, as the code has them."""

from importlib import import_module

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from monitoring.state import QUICK, SLOW

COUNTING = ("batches.metrics", "files.metrics", "workers.metrics")


def find_names() -> dict[str, str]:
    """Return each metric's name and kind: `counter`, `histogram` or `state`."""
    modules = [import_module(name) for name in COUNTING]
    known = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, MetricWrapperBase)
    ]
    found = {"vllm_database_up": "state"}
    for collector in known:
        assert collector in REGISTRY._collector_to_names
        for metric in collector.describe():
            suffix = "_total" if metric.type == "counter" else ""
            found[metric.name + suffix] = metric.type
    for family in (*QUICK, *SLOW):
        found |= {metric.name: "state" for metric in family()}
    return found
