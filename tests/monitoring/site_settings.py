"""The stand-alone project with a handler that says what it must not."""

from vllm_batch.app_settings import RESULT_HANDLERS
from vllm_batch.settings import *  # noqa: F403

RESULT_HANDLERS = [*RESULT_HANDLERS, "tests.monitoring.leaking.LeakingHandler"]
