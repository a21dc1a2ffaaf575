"""The hours that were set, of workers and of models, and the clock they are read on."""

from datetime import tzinfo
from zoneinfo import ZoneInfo

from django.conf import settings

from vllm_batch.lib.conf import conf
from workers.scheduling.hours import BadHours, Hours, parse_hours


def zone() -> tzinfo:
    """Return the time zone of all hours."""
    return ZoneInfo(conf().WORKER_TIME_ZONE or settings.TIME_ZONE)


def hours_of(text: str) -> Hours:
    """Return stored hours; what cannot be read is taken for always."""
    try:
        return parse_hours(text)
    except BadHours:
        return Hours()
