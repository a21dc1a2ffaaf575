"""A Ray cluster whose nodes are processes of this machine, and can be killed."""

import os
import signal
from contextlib import suppress
from typing import Any

from workers.supervising import family

# How soon the head believes that a node which was killed is gone.
QUICK = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 3,
}
STORE_BYTES = 100 << 20


class Nodes:
    """Start it, kill nodes, let it mend."""

    def __init__(self) -> None:
        self._cluster: Any = None
        self._rooms: list[Any] = []
        self._wanted = 0

    @property
    def address(self) -> str:
        """What RAY_ADDRESS would be."""
        return str(self._cluster.address)

    def start(self, rooms: int) -> None:
        """Start the head, which this process belongs to, and nodes with a CPU each."""
        import ray
        from ray.cluster_utils import Cluster

        self._wanted = rooms
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "object_store_memory": STORE_BYTES,
                "include_dashboard": False,
                "_system_config": QUICK,
            },
        )
        self.mend()
        # Engines find this process connected, and leave it so.
        ray.init(address=self.address, configure_logging=False, log_to_driver=False)

    def mend(self) -> None:
        """Start nodes in place of those that were killed."""
        while len(self._rooms) < self._wanted:
            node = self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
            self._rooms.append(node)

    def kill_node_of(self, pid: int) -> None:
        """Kill every process of the node that the process belongs to, at once."""
        for node in self._rooms:
            processes = node.all_processes["raylet"]
            (raylet,) = [one.process.pid for one in processes]
            members = [raylet, *(one.pid for one in family.descendants(raylet))]
            if pid not in members:
                continue
            for member in members:
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            self._rooms.remove(node)
            self._cluster.remove_node(node, allow_graceful=False)
            return
        raise AssertionError(f"{pid} runs on no node")

    def stop(self) -> None:
        """End everything."""
        import ray

        ray.shutdown()
        if self._cluster is not None:
            self._cluster.shutdown()
