"""The API's rate limits: by key and by address, before a body is read."""

from typing import TYPE_CHECKING, Any

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.limiting.rates import MINUTE, Usage, address_of, count
from accounts.permissions import key_of
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import TooManyRequests

if TYPE_CHECKING:
    from rest_framework.views import APIView


class RateLimit(BaseThrottle):
    """Counts the actions that a view names: `rates = {"create": "batches"}`.

    The key's limit comes first: one that is used up takes nothing from those who share
    its address. Raises TooManyRequests; leaves the tighter usage at `request.usage`.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request, or raise."""
        rates: dict[str, str] = getattr(view, "rates", {})
        what = rates.get(getattr(view, "action", None) or "")
        if what is None:
            return True
        usages = []
        for by, who in (("key", key_of(request).pk), ("address", None)):
            limit = getattr(conf(), f"RATE_{what}_PER_{by}".upper())
            if not limit:
                continue
            usage = self._count(request, f"{what}.{by}", who, limit)
            if usage.is_exceeded:
                raise TooManyRequests(
                    f"Rate limit reached: {limit} {what} a minute and {by}. Try again"
                    f" in {usage.seconds} s.",
                    headers=usage.headers,
                )
            usages.append(usage)
        request.usage = min(usages, key=lambda usage: usage.remaining, default=None)  # type: ignore[attr-defined]
        return True

    @staticmethod
    def _count(request: Request, what: str, who: Any, limit: int) -> Usage:
        django_request = request._request
        who = address_of(django_request) if who is None else who
        return count(django_request, what, str(who), limit, MINUTE)
