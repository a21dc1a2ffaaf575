"""The stand-alone project's routes: API, admin, health, OpenAPI document."""

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView

from accounts.limiting.login import login
from monitoring.console.views.pages import front
from monitoring.health import health, live, part_health
from monitoring.metrics import metrics

# The queue's tables hold pickles: opening one in the admin would unpack it.
for model in apps.get_app_config("django_q").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)

ADMIN = f"{settings.VLLM_BATCH.ADMIN_PATH}/"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("health", health, name="health"),
    path("health/live", live),
    path("health/<str:name>", part_health),
    path("metrics", metrics),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("v1/", include("vllm_batch.api_urls")),
    path(f"{ADMIN}review/", include("curation.numbers.urls")),
    path(f"{ADMIN}review/", include("curation.rerunning.urls")),
    path(f"{ADMIN}review/", include("curation.review.urls")),
    path(f"{ADMIN}login/", login),
    path(f"{ADMIN}console/", include("monitoring.console.urls")),
    # The admin's front page is the console; its own index lists the tables.
    path(
        f"{ADMIN}tables/", admin.site.admin_view(admin.site.index), name="admin-tables"
    ),
    path(ADMIN, front),
    path(ADMIN, admin.site.urls),
]
