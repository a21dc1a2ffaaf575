"""The stand-alone project's routes: API, admin, health, OpenAPI document."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView

from monitoring.health import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("health", health, name="health"),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("v1/", include("vllm_batch.api_urls")),
    path("admin/", admin.site.urls),
]
