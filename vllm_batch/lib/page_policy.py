"""The Content-Security-Policy of pages: of the admin, mostly."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

# As tight as django-unfold lets it be: its Alpine.js makes functions of attributes
# (unsafe-eval), and its pages have <style> elements and style attributes. No script
# is written into a page, so none that is written into one runs.
PAGE_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)


class PagePolicyMiddleware:
    """Send the policy with every answer that has none of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve one request."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        return response
