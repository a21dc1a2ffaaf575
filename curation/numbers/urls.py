"""Routes of the numbers, mounted beside the review pages."""

from django.urls import path

from curation.numbers import views

app_name = "numbers"

urlpatterns = [
    path("<int:queue_id>/numbers/", views.numbers, name="page"),
    path("<int:queue_id>/numbers.csv", views.download_csv, name="csv"),
    path("<int:queue_id>/numbers.json", views.download_json, name="json"),
]
