"""The base of every API viewset.

Everything is set on the class, so that the apps behave the same inside a project with
its own REST_FRAMEWORK settings.
"""

from collections.abc import Callable
from typing import Any, cast

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.authentication import BearerKey
from accounts.limiting.throttle import RateLimit
from accounts.models import Project
from accounts.permissions import HasScope, project_of
from vllm_batch.lib.errors import NotFound, exception_handler
from vllm_batch.lib.json_parser import StrictJSONParser


class AnyAccept(BaseContentNegotiation):
    """Ignores `Accept`: the SDK downloads with one that DRF answers 406 to (1.2)."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        """Return the parser for the content type, None for 415."""
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        for parser in parsers:
            if parser.media_type == media_type:
                return parser  # type: ignore[no-any-return]
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer, whatever the client accepts."""
        return renderers[0], renderers[0].media_type


class ApiSchema(AutoSchema):
    """Describes an operation as it is declared; a list here is an object (4)."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False

    def _get_request_body(self, direction: Any = "request") -> Any:
        body = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        view = cast(ApiViewSet, self.view)
        optional = view.action in view.optional_bodies
        return body and {**body, "required": not optional}


class ApiViewSet(ViewSet):
    """A viewset that speaks OpenAI's dialect and sees one project only."""

    authentication_classes = [BearerKey]
    permission_classes = [HasScope]
    renderer_classes = [JSONRenderer]
    parser_classes: list[type[BaseParser]] = [StrictJSONParser]
    content_negotiation_class = AnyAccept
    throttle_classes = [RateLimit]
    http_method_names = ["get", "head", "post", "delete"]
    versioning_class = None
    schema = ApiSchema()
    # The scope that each action needs (accounts.models.SCOPES).
    scopes: dict[str, str] = {}
    # What each limited action counts as: RATE_<what>_PER_KEY, RATE_<what>_PER_ADDRESS.
    rates: dict[str, str] = {}
    # The actions whose JSON body may be left out.
    optional_bodies: set[str] = set()

    @property
    def project(self) -> Project:
        """The caller's project."""
        return project_of(self.request)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Tell what is left of the rate limit, if there is one."""
        if usage := getattr(request, "usage", None):
            for name, value in usage.headers.items():
                response.headers.setdefault(name, value)
        return super().finalize_response(request, response, *args, **kwargs)

    def get_exception_handler(self) -> Callable[..., Response | None]:
        """Write errors as OpenAI does, whatever the project's settings say."""
        return exception_handler


class UnknownRoute(ApiViewSet):
    """Whatever no route serves: a JSON 404, to callers with a key only."""

    permission_classes = []
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    @extend_schema(exclude=True)
    def unknown(self, request: Request, **kwargs: str) -> Response:
        """Answer 404 to every method."""
        raise NotFound(f"Invalid URL ({request.method} {request.path})")
