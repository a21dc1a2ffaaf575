"""OpenAI's error envelope: the exceptions that carry it and where it is written.

Sources: contract 1.3–1.5 (spec `ErrorResponse`, SDK `_exceptions.py`).
"""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, JsonResponse, UnreadablePostError
from rest_framework import exceptions, status
from rest_framework.response import Response


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
    return None


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
