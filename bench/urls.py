"""The product's routes, and one that sends a file with nothing of ours in between."""

from pathlib import Path

from django.http import FileResponse, HttpRequest
from django.urls import path

from vllm_batch.urls import urlpatterns as product


def raw(request: HttpRequest) -> FileResponse:
    """Send a file of the machine."""
    return FileResponse(Path(request.GET["path"]).open("rb"))


urlpatterns = [path("raw", raw), *product]
