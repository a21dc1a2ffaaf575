"""Count a request against a limit (django-ratelimit's windows on our counters)."""

from dataclasses import dataclass

from django.http import HttpRequest
from django_ratelimit.core import get_usage

from accounts.limiting.addresses import client_of
from vllm_batch.lib.conf import conf

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Usage:
    """How much of a limit is used; `seconds` are left of the current window."""

    limit: int
    count: int
    seconds: int

    @property
    def is_exceeded(self) -> bool:
        """Tell whether the request is one too many."""
        return self.count > self.limit

    @property
    def remaining(self) -> int:
        """How many more requests the window takes."""
        return max(0, self.limit - self.count)

    @property
    def headers(self) -> dict[str, str]:
        """What an answer tells of the limit, under OpenAI's names."""
        found = {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{self.seconds}s",
        }
        return found | ({"Retry-After": str(self.seconds)} if self.is_exceeded else {})


def count(request: HttpRequest, what: str, who: str, limit: int, seconds: int) -> Usage:
    """Count one more request of `who`, in windows of so many seconds."""
    found = get_usage(
        request,
        group=f"vllm_batch.{what}",
        key=lambda group, request: who,
        rate=(limit, seconds),
        increment=True,
    )
    if found is None:  # a project's own RATELIMIT_ENABLE = False
        return Usage(limit, 0, seconds)
    return Usage(limit, found["count"], max(1, found["time_left"]))


def address_of(request: HttpRequest) -> str:
    """Return what the request's client is counted by."""
    return client_of(request.META, conf().TRUSTED_PROXIES)
