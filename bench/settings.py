"""The stand-alone project's settings, with engines that compute nothing."""

from vllm_batch.app_settings import ENGINES
from vllm_batch.settings import *  # noqa: F403

ENGINES = {
    **ENGINES,
    "null": "bench.engines.NullEngine",
    "steps": "bench.engines.StepEngine",
    "wait": "bench.engines.WaitEngine",
}
ROOT_URLCONF = "bench.urls"
