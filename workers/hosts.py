"""The machine's name: with the slot's name it stands for one GPU."""

import re
import socket

from vllm_batch.lib.conf import conf


def host_name() -> str:
    """Return what this machine is called in the database and in file names."""
    return conf().WORKER_HOST or re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())


def gpu_name(slot: str) -> str:
    """Return the name of one of this machine's GPUs, which no other GPU has."""
    return f"{slot}@{host_name()}"
