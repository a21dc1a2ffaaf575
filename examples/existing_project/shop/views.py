"""The shop's only page."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse


@login_not_required
def home(request: HttpRequest) -> HttpResponse:
    """Greet."""
    return HttpResponse("<h1>The shop</h1>")
