"""Ray itself: joining a cluster or starting one, and placing replicas on it.

Whatever names Ray's modules on the worker's side stands here, but for its exceptions.
"""

import logging
import os
import secrets
import socket
import threading
from contextlib import suppress
from typing import Any, NamedTuple

from workers.engines.base import EngineStartFailed
from workers.engines.ray.blocks import Spec
from workers.engines.ray.link import reason_of
from workers.engines.ray.options import Options
from workers.engines.ray.replica import Replica

logger = logging.getLogger(__name__)

NAMESPACE = "vllm-batch"
# Of a cluster we start: blocks are small and short-lived.
LOCAL_STORE_BYTES = 200 << 20
KNOCK_SECONDS = 10.0
# push, pull, health and stop may run at once in a replica.
CALLS = 16
_MISSING = (
    "The engine ray needs the package ray, which is not installed here: pip install -r"
    " requirements-ray.txt, on the worker and on each node of the cluster."
)
_CLIENT = (
    "RAY_ADDRESS is {address}: an address of Ray Client, over which every block would"
    " take a detour. Run the worker on a node of the cluster (ray start --address=…"
    " --num-cpus=0 makes one of it) and write RAY_ADDRESS=host:6379."
)


class Placed(NamedTuple):
    """An actor, and the placement group it holds if its GPUs are on several nodes."""

    actor: Any
    group: Any


class _Users:
    """How many engines of this process use Ray, and whether it was joined for them."""

    lock = threading.Lock()
    count = 0
    is_ours = False


def connect(address: str) -> None:
    """Join the cluster at `address`, or start one here; raises EngineStartFailed.

    Blocks for seconds: call it in a thread. There Ray leaves SIGTERM alone, too.
    """
    if "://" in address:
        raise EngineStartFailed(_CLIENT.format(address=address), is_lasting=True)
    # Nothing about the user's machine goes anywhere unless the user says so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not address:
        _close_off()
    try:
        import ray
    except ImportError:
        raise EngineStartFailed(_MISSING, is_lasting=True) from None
    with _Users.lock:
        if not ray.is_initialized():
            _join(address)
            _Users.is_ours = True
        _Users.count += 1


def _close_off() -> None:
    """Let a cluster of one machine listen on the loopback, to who has its token.

    Ray would keep a token in a file of the home folder, which may not be writable.
    """
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    has_token = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get(
        "RAY_AUTH_TOKEN_PATH"
    )
    if os.environ.setdefault("RAY_AUTH_MODE", "token") == "token" and not has_token:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _join(address: str) -> None:
    import ray

    if address not in ("", "auto"):
        _knock(address)
    own: dict[str, Any] = {
        "include_dashboard": False,
        "object_store_memory": LOCAL_STORE_BYTES,
    }
    try:
        ray.init(
            address=address or "local",
            namespace=NAMESPACE,
            configure_logging=False,
            **({} if address else own),
        )
    # Ray raises what it likes: ConnectionError, RuntimeError, ValueError, its own.
    except Exception as error:
        raise _not_joined(address, reason_of(error)) from error


def _knock(address: str) -> None:
    """Raise EngineStartFailed if nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _not_joined(address, str(error)) from error


def _not_joined(address: str, why: str) -> EngineStartFailed:
    what = f"join the Ray cluster at {address}" if address else "start Ray here"
    return EngineStartFailed(
        f"The worker could not {what}: {why}. RAY_ADDRESS is the host:port of the"
        " cluster's head; this machine has to be one of its nodes, with the same"
        " versions of Ray and Python."
    )


def disconnect() -> None:
    """Leave the cluster, or end it if it was started here, with its last user."""
    import ray

    with _Users.lock:
        _Users.count -= 1
        if _Users.count == 0 and _Users.is_ours:
            _Users.is_ours = False
            ray.shutdown()


def room_for(options: Options) -> int:
    """Return how many replicas the cluster's nodes could hold if they were empty."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if options.is_spread:
        total: dict[str, float] = {}
        for node in nodes:
            for name, amount in node.items():
                total[name] = total.get(name, 0.0) + amount
        nodes = [total]
    return sum(_room_on(node, options.needs) for node in nodes)


def _room_on(node: dict[str, float], needs: dict[str, float]) -> int:
    if not needs:
        return 1
    return min(int(node.get(name, 0.0) / amount) for name, amount in needs.items())


def free() -> str:
    """Say what the cluster has left, for people."""
    import ray

    found = ray.available_resources()
    shown = [
        f"{name} {amount:g}"
        for name, amount in sorted(found.items())
        if not name.startswith(("node:", "object_store", "memory"))
    ]
    return ", ".join(shown) or "nothing"


def place(spec: Spec, options: Options) -> Placed:
    """Ask for an actor; it comes to life once a node has room for it."""
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group, strategy, gpus = None, "SPREAD", options.num_gpus
    if options.is_spread:
        # vLLM's own workers take the bundles' GPUs; the actor itself takes none.
        gpu = {"GPU": 1.0}
        bundles = [gpu for _ in range(int(options.num_gpus))] or [{}]
        bundles[0] = {**options.needs, **gpu}
        group = ray.util.placement_group(bundles, strategy="PACK")
        strategy = PlacementGroupSchedulingStrategy(
            group,
            placement_group_bundle_index=0,
            placement_group_capture_child_tasks=True,
        )
        gpus = 0.0
    actor_class = ray.remote(Replica).options(
        num_cpus=options.num_cpus,
        num_gpus=gpus,
        resources=dict(options.resources),
        max_concurrency=CALLS,
        # What is lost is replaced and sent again by us, who know what it was.
        max_restarts=0,
        max_task_retries=0,
        scheduling_strategy=strategy,
    )
    return Placed(actor_class.remote(spec), group)


def remove(placed: Placed) -> None:
    """Kill a replica's process, if it is there still, and free what it held."""
    import ray
    from ray.exceptions import RayError

    with suppress(RayError, ValueError):
        ray.kill(placed.actor)
    if placed.group is not None:
        with suppress(RayError, ValueError):
            ray.util.remove_placement_group(placed.group)
