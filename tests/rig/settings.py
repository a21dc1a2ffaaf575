"""The stand-alone project's settings, for processes that fault tests disturb."""

from vllm_batch.settings import *  # noqa: F403
from vllm_batch.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.rig.apps.RigConfig"]
