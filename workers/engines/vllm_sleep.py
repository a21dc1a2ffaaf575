"""VLLM's sleep mode: free the GPU without ending the engine's process.

Level 1 keeps the weights in the machine's memory. Level 2 drops them; they are read
from the disk again, into the same places, when the engine wakes.
"""

import logging
from collections.abc import Mapping
from typing import Any

from workers.engines.base import EngineDead

logger = logging.getLogger(__name__)

# Weights take the same on any card; this one is large enough for any plan.
ANY_GPU = 1 << 40
_LEVEL = "_vllm_batch_sleep_level"


async def fall_asleep(client: Any, level: int) -> bool:
    """Let the engine behind an AsyncLLM sleep; False if it cannot."""
    if not getattr(client.vllm_config.model_config, "enable_sleep_mode", False):
        return False
    try:
        await client.sleep(level)
    except Exception:  # whatever vLLM raises, the engine is stopped instead
        logger.exception("vLLM does not fall asleep")
        return False
    setattr(client, _LEVEL, level)
    return True


async def wake_up(client: Any, model: str) -> None:
    """Wake it, with its weights; raises EngineDead."""
    try:
        if getattr(client, _LEVEL, 1) == 1:
            await client.wake_up()
        else:
            await client.wake_up(tags=["weights"])
            await client.collective_rpc("reload_weights")
            await client.wake_up(tags=["kv_cache"])
        # Nothing that was cached before the sleep is there any more.
        await client.reset_prefix_cache()
    except Exception as error:
        raise EngineDead(f"vLLM did not wake {model}: {error}") from error


def weight_bytes(model: str, source: str, engine_args: Mapping[str, Any]) -> int | None:
    """Return what the loaded weights take by their files; None if nobody can tell."""
    from workers.memory.errors import CannotPlan
    from workers.memory.sources import Source, plan_for

    try:
        return plan_for(Source(model, source, engine_args), ANY_GPU).weights.bytes
    except CannotPlan:
        return None
