"""The API's routes.

Mount them below `settings.API_PATH`, in any project:

    path("v1/", include("vllm_batch.api_urls"))

No route ends in a slash, and the last one catches the rest, so that Django never
redirects (a redirected POST loses its body: contract 1.1).
"""

from django.urls import path, re_path

from accounts.api import UnknownRoute
from batches.handlers.webhook.views import WebhookEndpointViewSet
from batches.views import BatchViewSet
from curation.label_studio.views import LabelStudioHookViewSet
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
    path("batches/<str:batch_id>/pause", BatchViewSet.as_view({"post": "pause"})),
    path("batches/<str:batch_id>/resume", BatchViewSet.as_view({"post": "resume"})),
    path("batches/<str:batch_id>/retry", BatchViewSet.as_view({"post": "retry"})),
    path("batches/<str:batch_id>/manifest", BatchViewSet.as_view({"get": "manifest"})),
    path("batches/<str:batch_id>/results", BatchViewSet.as_view({"get": "results"})),
    path(
        "webhook_endpoints",
        WebhookEndpointViewSet.as_view({"get": "list", "post": "create"}),
    ),
    path(
        "webhook_endpoints/<str:webhook_endpoint_id>",
        WebhookEndpointViewSet.as_view(
            {"get": "retrieve", "post": "update", "delete": "destroy"}
        ),
    ),
    path(
        "webhook_endpoints/<str:webhook_endpoint_id>/rotate_secret",
        WebhookEndpointViewSet.as_view({"post": "rotate_secret"}),
    ),
    path(
        "webhook_endpoints/<str:webhook_endpoint_id>/test",
        WebhookEndpointViewSet.as_view({"post": "test"}),
    ),
    path(
        "webhook_event_types",
        WebhookEndpointViewSet.as_view({"get": "event_types"}),
    ),
    path(
        "label_studio/hook",
        LabelStudioHookViewSet.as_view({"post": "hook"}),
    ),
    path("models", ModelViewSet.as_view({"get": "list"})),
    path("models/<path:model>", ModelViewSet.as_view({"get": "retrieve"})),
    re_path(
        r"^.*$",
        UnknownRoute.as_view(dict.fromkeys(METHODS, "unknown")),
        name="unknown_route",
    ),
]
