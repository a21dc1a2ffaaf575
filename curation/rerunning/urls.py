"""Routes of corrections, mounted beside the review pages."""

from django.urls import path

from curation.rerunning import views

app_name = "rerunning"

urlpatterns = [
    path("correct/", views.choose, name="choose"),
    path("<int:queue_id>/correct/", views.correct_page, name="correct"),
]
