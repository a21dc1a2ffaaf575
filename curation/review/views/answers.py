"""How these pages answer: under a strict CSP, with OpenAI's envelope for errors."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from vllm_batch.lib.errors import ApiError, as_passing, envelope, error_response

CSP = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)
View = Callable[..., HttpResponseBase]


def page(*methods: str) -> Callable[[View], View]:
    """Let staff in, as the admin does, and send the CSP with every answer."""

    def decorate(view: View) -> View:
        allowed = require_http_methods(methods)(view)

        @wraps(view)
        def guarded(
            request: HttpRequest, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            try:
                response = allowed(request, *args, **kwargs)
            except PermissionDenied as refusal:
                response = render(
                    request,
                    "curation/review/refused.html",
                    {"reason": str(refusal)},
                    status=403,
                )
            response["Content-Security-Policy"] = CSP
            return response

        return admin.site.admin_view(guarded, cacheable=False)

    return decorate


def call(*methods: str) -> Callable[[View], View]:
    """Do the same for what the page's script asks: errors are JSON."""

    def decorate(view: View) -> View:
        allowed = require_http_methods(methods)(view)

        @wraps(view)
        def guarded(
            request: HttpRequest, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            try:
                response = allowed(request, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - raised again if it is ours
                response = _as_answer(error)
            response["Content-Security-Policy"] = CSP
            return response

        return admin.site.admin_view(guarded, cacheable=False)

    return decorate


def _as_answer(error: Exception) -> HttpResponse:
    if isinstance(error, ApiError):
        return refusal(error)
    if isinstance(error, Http404):
        return error_response(404, str(error))
    if isinstance(error, PermissionDenied):
        return error_response(403, str(error), error_type="permission_error")
    if passing := as_passing(error):
        return refusal(passing)
    raise error


def refusal(error: ApiError, **more: object) -> JsonResponse:
    """Return an error as JSON; `more` lies beside the envelope."""
    body = envelope(
        error.message,
        error_type=error.error_type,
        param=error.param,
        code=error.code,
    )
    return JsonResponse(
        {**body, **more}, status=error.status_code, headers=error.headers
    )
