"""The shop's routes, and the API's below one of them."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

from shop.files.views import FileList
from shop.views import home

urlpatterns = [
    path("ai/v1/", include("vllm_batch.api_urls")),  # (4)
    path("api/files/", FileList.as_view()),
    path("back-office/review/", include("curation.review.urls")),
    path("back-office/", admin.site.urls),
    *i18n_patterns(path("", home)),
]
