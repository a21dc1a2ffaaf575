"""Start the real vLLM and print what it says of its KV cache, as JSON.

`python -m tests.workers.memory.kv_cache_probe FOLDER '{"max_model_len": 512}'`;
the cache's size comes from VLLM_CPU_KVCACHE_SPACE (GiB).
"""

import asyncio
import json
import os
import sys
from typing import Any

from workers.engines.vllm import VllmEngine


async def probe(folder: str, engine_args: dict[str, Any]) -> dict[str, int]:
    engine = VllmEngine(model="probe", source=folder, engine_args=engine_args)
    await engine.start()
    cache = engine._client.vllm_config.cache_config
    answer = {
        "blocks": cache.num_gpu_blocks,
        "tokens": cache.kv_cache_size_tokens,
        "block_size": cache.block_size,
    }
    await engine.stop()
    return answer


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vllm_batch.settings")
    import django

    django.setup()
    print(json.dumps(asyncio.run(probe(sys.argv[1], json.loads(sys.argv[2])))))
