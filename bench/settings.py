"""The stand-alone project's settings, with two engines that compute nothing."""

from vllm_batch.app_settings import ENGINES
from vllm_batch.settings import *  # noqa: F403

ENGINES = {
    **ENGINES,
    "null": "bench.engines.NullEngine",
    "steps": "bench.engines.StepEngine",
}
ROOT_URLCONF = "bench.urls"
