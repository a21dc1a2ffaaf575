"""How the system is: for load balancers, for alarms, and for those who may know more.

`/health` is about this API server alone: it answers 503 only if the database is away.
Whether batches run is told apart, so that no API server is taken out of service
because a worker is down.
"""

import logging
from typing import Any

from django.db import Error as DatabaseFailure
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.authentication import BearerKey
from monitoring import parts
from monitoring.parts import OK, Part
from vllm_batch.lib.errors import Unauthorized, error_response

logger = logging.getLogger(__name__)

_UNREACHABLE = {"status": "unavailable", "database": "unreachable"}


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200: this process serves requests."""
    return JsonResponse({"status": OK})


@require_safe
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 if this server can do its work, else 503, with a word on each part."""
    return _answer(request, None)


@require_safe
@never_cache
def part_health(request: HttpRequest, name: str) -> JsonResponse:
    """Answer 200 if one part is well, else 503: for alarms."""
    return _answer(request, name)


def _answer(request: HttpRequest, name: str | None) -> JsonResponse:
    try:
        found = parts.look()
        may_know = _may_know_more(request)
    except DatabaseFailure:
        logger.exception("health: the database does not answer")
        return JsonResponse(_UNREACHABLE, status=503)
    except Unauthorized as error:
        return error_response(error.status_code, error.message, code=error.code)
    if name is None:
        return JsonResponse(_whole(found, may_know=may_know))
    if name not in found:
        known = ", ".join(found)
        return error_response(404, f"There is no part '{name}': parts are {known}.")
    part = found[name]
    body: dict[str, Any] = {"status": part.status}
    if may_know:
        body["details"] = part.details
    return JsonResponse(body, status=200 if part.is_well else 503)


def _whole(found: dict[str, Part], *, may_know: bool) -> dict[str, Any]:
    is_well = all(part.is_well for part in found.values())
    body: dict[str, Any] = {"status": OK if is_well else "degraded"}
    body |= {name: part.status for name, part in found.items()}
    if may_know:
        body["details"] = {name: part.details for name, part in found.items()}
    return body


def _may_know_more(request: HttpRequest) -> bool:
    """Tell whether a live key or a member of the staff asks.

    Raises Unauthorized for a key that is none.
    """
    if "Authorization" in request.headers:
        BearerKey().authenticate(request)  # type: ignore[arg-type]  # only its headers
        return True
    user = getattr(request, "user", None)
    return bool(user and user.is_active and user.is_staff)
