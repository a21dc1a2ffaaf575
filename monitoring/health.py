"""GET /health: may traffic come here? No key needed, so nothing secret is said."""

import logging

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("health: the database does not answer")
        body = {"status": "unavailable", "database": "unreachable"}
        return JsonResponse(body, status=503)
    return JsonResponse({"status": "ok", "database": "ok"})
