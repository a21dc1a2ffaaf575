"""The API's routes.

Mount them below `settings.API_PATH`, in any project:

    path("v1/", include("vllm_batch.api_urls"))

No route ends in a slash, and the last one catches the rest, so that Django never
redirects (a redirected POST loses its body: contract 1.1).
"""

from django.urls import path, re_path

from accounts.api import UnknownRoute
from batches.views import BatchViewSet
from files.views import FileViewSet
from workers.views import ModelViewSet

METHODS = ("get", "post", "put", "patch", "delete")

urlpatterns = [
    path("files", FileViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "files/<str:file_id>",
        FileViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
    ),
    path("files/<str:file_id>/content", FileViewSet.as_view({"get": "content"})),
    path("batches", BatchViewSet.as_view({"get": "list", "post": "create"})),
    path("batches/<str:batch_id>", BatchViewSet.as_view({"get": "retrieve"})),
    path("batches/<str:batch_id>/cancel", BatchViewSet.as_view({"post": "cancel"})),
    path("models", ModelViewSet.as_view({"get": "list"})),
    path("models/<path:model>", ModelViewSet.as_view({"get": "retrieve"})),
    re_path(
        r"^.*$",
        UnknownRoute.as_view(dict.fromkeys(METHODS, "unknown")),
        name="unknown_route",
    ),
]
