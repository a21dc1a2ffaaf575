"""Request ids and JSON errors for every path of the API, Django's own answers too."""

import logging
import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from vllm_batch.lib.errors import as_passing, error_response
from vllm_batch.lib.ids import new_id
from vllm_batch.lib.logs import begin

logger = logging.getLogger(__name__)

# JSON and downloads: no browser is to run, frame, guess or keep any of it.
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,128}")


class ApiMiddleware:
    """Give each answer an `x-request-id` and each error OpenAI's envelope.

    Errors that never reach a DRF view (an unknown route, a bad host, a crash) would
    be HTML: contract 1.1 and 1.5 want JSON. Paths outside `settings.API_PATH` keep
    Django's pages.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve one request."""
        request_id = new_id("req_")
        begin(request_id)
        response = self._respond(request)
        if self._is_api(request):
            if _needs_envelope(response):
                response = _rewrite(request, response)
            for name, value in API_HEADERS.items():
                response[name] = value
        response["x-request-id"] = request_id
        client_id = request.headers.get("X-Client-Request-Id", "")
        if _CLIENT_ID.fullmatch(client_id):
            response["x-client-request-id"] = client_id
        return response

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == settings.API_PATH:
            # Django would redirect to the path with a slash (contract 1.1).
            return error_response(404, _unknown(request))
        if self._is_api(request) and (refusal := _at_the_door(request)):
            return refusal
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponse | None:
        """Answer a crash inside an API view with a logged, empty-handed 500."""
        if not self._is_api(request):
            return None
        if passing := as_passing(error):
            response = error_response(
                passing.status_code, passing.message, code=passing.code
            )
            for name, value in passing.headers.items():
                response[name] = value
            return response
        logger.exception("request failed", extra={"path": request.path})
        return error_response(
            500,
            "The server had an error while processing your request."
            " It was logged under the id in the x-request-id header.",
        )

    @staticmethod
    def _is_api(request: HttpRequest) -> bool:
        return request.path.startswith(settings.API_PATH + "/")


def _at_the_door(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to what no view should see, else None."""
    if getattr(settings, "SECURE_SSL_REDIRECT", False) and not request.is_secure():
        # No redirect: the key was sent in the clear, and a POST would lose its body.
        text = "Use https: this server takes no requests, and no keys, without TLS."
        return error_response(403, text, code="https_required")
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity"):
        # What is compressed may be a thousand times larger than its Content-Length.
        return error_response(
            415,
            "The request body is compressed (Content-Encoding). Send it as it is.",
            code="unsupported_content_encoding",
        )
    return None


def _needs_envelope(response: HttpResponseBase) -> bool:
    content_type = response.get("Content-Type", "")
    return response.status_code >= 400 and not content_type.startswith(
        "application/json"
    )


def _rewrite(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    status = response.status_code
    if status == 404:
        message = _unknown(request)
    elif status == 405:
        message = f"Not allowed to {request.method} on {request.path}."
    else:
        message = f"The request was refused: {response.reason_phrase}."
    fresh = error_response(status, message)
    for name, value in response.items():
        if not name.lower().startswith("content-"):
            fresh.headers.setdefault(name, value)
    return fresh


def _unknown(request: HttpRequest) -> str:
    return f"Invalid URL ({request.method} {request.path})"
