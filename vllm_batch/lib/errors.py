"""OpenAI's error envelope: the exceptions that carry it and where it is written.

Sources: contract 1.3–1.5 (spec `ErrorResponse`, SDK `_exceptions.py`).
"""

import errno
import logging
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
)
from django.http import Http404, JsonResponse, UnreadablePostError
from rest_framework import exceptions, status
from rest_framework.response import Response

logger = logging.getLogger(__name__)

RETRY_DATABASE_SECONDS, RETRY_STORAGE_SECONDS, RETRY_DISK_SECONDS = 5, 10, 60
# What a database says about our own statements; all else means that it is away.
_OUR_OWN_FAULT = (DataError, IntegrityError, NotSupportedError, ProgrammingError)


class ApiError(exceptions.APIException):
    """The request could not be served."""

    status_code: int = status.HTTP_400_BAD_REQUEST
    error_type = "invalid_request_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers or {}


class InvalidRequest(ApiError):
    """A parameter is missing, malformed or out of range (400)."""


class NotFound(ApiError):
    """No such object, or another project's: the same answer (404)."""

    status_code = status.HTTP_404_NOT_FOUND


class Unauthorized(ApiError):
    """No valid API key was sent (401)."""

    status_code = status.HTTP_401_UNAUTHORIZED

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"}, **details)


class Forbidden(ApiError):
    """The key's scopes do not cover this operation (403)."""

    status_code = status.HTTP_403_FORBIDDEN
    error_type = "permission_error"


class LengthRequired(ApiError):
    """The body has no Content-Length, so a cut-off upload could not be seen (411)."""

    status_code = status.HTTP_411_LENGTH_REQUIRED


class Conflict(ApiError):
    """The object's state forbids it (409); a retry cannot help."""

    status_code = status.HTTP_409_CONFLICT

    def __init__(self, message: str, **details: Any) -> None:
        # Without this header the SDK repeats a 409 twice (contract 1.4).
        super().__init__(message, headers={"x-should-retry": "false"}, **details)


class TooManyRequests(ApiError):
    """A rate limit is used up (429); the headers say when it is free again."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    error_type = "rate_limit_error"

    def __init__(self, message: str, *, headers: dict[str, str]) -> None:
        super().__init__(message, code="rate_limit_exceeded", headers=headers)


class QuotaExceeded(ApiError):
    """The project has as much as it may have (429); time alone does not help."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    error_type = "insufficient_quota"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        # The SDK repeats every 429 twice unless told otherwise (contract 1.4).
        super().__init__(
            message,
            param=param,
            code="insufficient_quota",
            headers={"x-should-retry": "false"},
        )


class _ServerError(ApiError):
    """The server cannot do it now; a later try may work."""

    error_type = "server_error"

    def __init__(self, message: str, *, code: str, retry_seconds: int) -> None:
        headers = {"Retry-After": str(retry_seconds)}
        super().__init__(message, code=code, headers=headers)


class DatabaseUnavailable(_ServerError):
    """The database does not answer (503)."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "The database does not answer at the moment. Try again in a few seconds.",
            code="database_unavailable",
            retry_seconds=RETRY_DATABASE_SECONDS,
        )


class StorageUnavailable(_ServerError):
    """The object store does not answer (503)."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "The server's object store does not answer at the moment. Try again in a"
            " few seconds.",
            code="storage_unavailable",
            retry_seconds=RETRY_STORAGE_SECONDS,
        )


class StorageAway(OSError):
    """The object store does not answer, or refuses: a fault that may pass."""


class InsufficientStorage(_ServerError):
    """The disk has no room but its reserve (507)."""

    status_code = status.HTTP_507_INSUFFICIENT_STORAGE

    def __init__(self) -> None:
        super().__init__(
            "The server's disk is full. Nothing was stored. Try again later, or tell"
            " whoever runs the server (DISK_RESERVE_BYTES).",
            code="insufficient_storage",
            retry_seconds=RETRY_DISK_SECONDS,
        )


def is_database_away(error: Exception) -> bool:
    """Tell whether the database did not answer, rather than refuse a statement."""
    is_database = isinstance(error, (DatabaseError, InterfaceError))
    return is_database and not isinstance(error, _OUR_OWN_FAULT)


def as_passing(error: Exception) -> ApiError | None:
    """Return the answer to a fault that is not ours and may pass, else None."""
    if _is_full(error) or _is_full(error.__cause__):
        logger.error("the disk is full: %s", error)
        return InsufficientStorage()
    if isinstance(error, StorageAway):
        logger.error("the object store does not answer", exc_info=error)
        return StorageUnavailable()
    if is_database_away(error):
        logger.error("the database does not answer", exc_info=error)
        return DatabaseUnavailable()
    return None


def _is_full(error: BaseException | None) -> bool:
    """Tell whether a disk is full: a file's, SQLite's or PostgreSQL's."""
    return (
        getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        or getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
        or getattr(error, "sqlstate", "") == "53100"
    )


def envelope(
    message: str,
    *,
    error_type: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> dict[str, dict[str, str | None]]:
    """Return the body of every error answer: all four keys, always."""
    return {
        "error": {"message": message, "type": error_type, "param": param, "code": code}
    }


def error_response(http_status: int, message: str, **details: Any) -> JsonResponse:
    """Return an error answer for code that runs outside a DRF view."""
    if http_status >= 500:
        details.setdefault("error_type", "server_error")
    return JsonResponse(envelope(message, **details), status=http_status)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Write any exception a view may raise as the envelope; DRF calls this."""
    api_error = _as_api_error(error, context)
    if api_error is None:
        return None
    body = envelope(
        api_error.message,
        error_type=api_error.error_type,
        param=api_error.param,
        code=api_error.code,
    )
    return Response(body, status=api_error.status_code, headers=api_error.headers)


def _as_api_error(error: Exception, context: dict[str, Any]) -> ApiError | None:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Http404):
        return NotFound("Not found.")
    if isinstance(error, PermissionDenied):
        return Forbidden("This API key may not do this.")
    if isinstance(error, (SuspiciousOperation, UnreadablePostError)):
        return InvalidRequest(f"The request could not be read: {error}")
    if isinstance(error, exceptions.APIException):
        return _from_drf(error, context)
    return as_passing(error)


_JSON_TEXT = (
    "We could not parse the JSON body of your request. (HINT: This likely means you"
    " aren't using your HTTP library correctly. The OpenAI API expects a JSON payload,"
    " but what was sent was not valid JSON.)"
)


def _from_drf(error: exceptions.APIException, context: dict[str, Any]) -> ApiError:
    request = context.get("request")
    if isinstance(error, exceptions.MethodNotAllowed) and request is not None:
        text = f"Not allowed to {request.method} on {request.path}."
        allowed = context["view"].allowed_methods if context.get("view") else []
        headers = {"Allow": ", ".join(allowed)}
        result = ApiError(
            f"{text} (HINT: allowed: {headers['Allow']})", headers=headers
        )
    elif isinstance(error, exceptions.ParseError):
        result = InvalidRequest(_JSON_TEXT)
    else:
        result = ApiError(str(error.detail))
    result.status_code = error.status_code
    return result
