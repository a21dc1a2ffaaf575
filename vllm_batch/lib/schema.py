"""What the OpenAPI document says about errors, parameters and keys."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers


class _ErrorSchema(serializers.Serializer[Any]):
    message = serializers.CharField()
    type = serializers.CharField()
    param = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True)


class ErrorEnvelopeSchema(serializers.Serializer[Any]):
    """Describes the body of every error answer."""

    error = _ErrorSchema()


_TEXTS = {
    400: "A parameter is missing, malformed or out of range.",
    401: "No valid API key was sent.",
    403: "The key's scopes do not cover this operation.",
    404: "No such object in this project.",
    409: "The object's state forbids it.",
    414: "The address is too long.",
    431: "The headers are too long.",
    411: "The upload has no Content-Length.",
    413: "The body is too large.",
    415: "The content type is not served here.",
    429: "A rate limit or the project's quota is used up.",
    503: "Database or bucket do not answer; Retry-After says when to try again.",
    507: "The disk is full but for its reserve; Retry-After says when to try again.",
}


def answers(success: Any, *errors: int) -> dict[Any, Any]:
    """Return the answers of an operation: 200, and the errors it can give."""
    return {
        200: success,
        **{
            status: OpenApiResponse(ErrorEnvelopeSchema, description=_TEXTS[status])
            for status in (401, 403, 414, 431, *errors, 503)
        },
    }


def query(name: str, kind: type, text: str, **details: Any) -> OpenApiParameter:
    """Return an optional query parameter."""
    return OpenApiParameter(name, kind, description=text, required=False, **details)


def path_id(name: str, text: str) -> OpenApiParameter:
    """Return the id in an operation's path."""
    return OpenApiParameter(name, str, OpenApiParameter.PATH, description=text)


def after_and_limit(least: int, most: int, default: int) -> list[OpenApiParameter]:
    """Return the two parameters that every list has."""
    limit = {
        "type": "integer",
        "minimum": least,
        "maximum": most,
        "default": default,
    }
    return [
        query("after", str, "id of the last object already seen"),
        OpenApiParameter("limit", limit, description="objects a page", required=False),
    ]


def tagged(tag: str, operation: str, **details: Any) -> dict[str, Any]:
    """Return the keyword arguments of `extend_schema` for one operation."""
    tags: Iterable[str] = [tag]
    return {"tags": list(tags), "operation_id": operation, **details}


class BearerKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the API key."""

    target_class = "accounts.authentication.BearerKey"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer"}
