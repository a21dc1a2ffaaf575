"""The form for a new batch. The upload streams to the disk, as the API's does."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.views import APIView

from batches.endpoints import ENDPOINTS
from batches.offers import find_offers
from batches.order_extension import HIGHEST_PRIORITY
from curation.review.views.answers import page
from files.incoming import StreamingMultiPartParser, content_length
from files.reserve import is_reached
from monitoring.console import creating
from monitoring.console.viewers import Viewer
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import InsufficientStorage, exception_handler
from vllm_batch.lib.parameters import missing


class NewBatch(APIView):
    """DRF's view for its streaming parser; CSRF is checked as in Django's forms."""

    authentication_classes = [SessionAuthentication]
    parser_classes = [StreamingMultiPartParser]
    permission_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what cannot be stored before a byte of it is read."""
        viewer = Viewer(request._request.user)  # before the form is parsed
        if not viewer.acts_somewhere:
            raise PermissionDenied(
                "Only leads and administrators of a project make batches in it."
            )
        if request.method == "POST" and is_reached(content_length(request.META)):
            raise InsufficientStorage
        super().initial(request, *args, **kwargs)

    def get(self, request: Request) -> HttpResponse:
        """Show the form."""
        return _form(request._request, {})

    def post(self, request: Request) -> HttpResponse:
        """Store the file, and lead to what was seen of its lines."""
        try:
            fields = {key: str(value) for key, value in request.POST.items()}
        except UnsupportedMediaType:
            raise missing("file") from None
        fields.pop("csrfmiddlewaretoken", None)
        self.fields = fields
        files = request.FILES
        try:
            project = Viewer(request.user).own_project(fields.get("project", ""))
            drafted = creating.draft(project, fields, files)
        finally:
            for _, received in files.lists():
                for incoming in received:
                    incoming.discard()
        return redirect("console:batch", batch_id=drafted.pk)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """Show a refusal above the form, with what was chosen."""
        if isinstance(exc, PermissionDenied):
            raise exc
        answer = exception_handler(exc, {"request": self.request, "view": self})
        if answer is None:
            raise exc
        fields = getattr(self, "fields", {})
        request: HttpRequest = self.request._request
        error = answer.data["error"]
        return _form(request, fields, error, answer.status_code)


def _form(
    request: HttpRequest,
    fields: dict[str, str],
    error: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    viewer = Viewer(request.user)
    context = {
        "viewer": viewer,
        "place": "new",
        "fields": fields,
        "error": error,
        "projects": viewer.own_projects(),
        "endpoints": ENDPOINTS,
        "models": sorted(find_offers()),
        "windows": conf().BATCH_COMPLETION_WINDOWS,
        "highest_priority": HIGHEST_PRIORITY,
        "canary_lines": creating.USUAL_CANARY_LINES,
        "most_bytes": conf().BATCH_MAX_BYTES,
        "most_lines": conf().BATCH_MAX_REQUESTS,
    }
    return render(request, "monitoring/console/new.html", context, status=status)


new = page("GET", "POST")(NewBatch.as_view())
