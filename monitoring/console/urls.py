"""Routes of the console, mounted inside the admin's."""

from django.urls import path

from monitoring.console.views import changes, pages
from monitoring.console.views.new import new

app_name = "console"

urlpatterns = [
    path("", pages.front, name="front"),
    path("past", pages.past, name="past"),
    path("new", new, name="new"),
    path("batches/", pages.batches, name="batches"),
    path("batches/<str:batch_id>/", pages.batch, name="batch"),
    path("batches/<str:batch_id>/run", changes.run, name="run"),
    path("batches/<str:batch_id>/do/<slug:verb>", changes.change, name="change"),
    path("batches/<str:batch_id>/lines", pages.lines, name="lines"),
    path("batches/<str:batch_id>/lines/<int:number>/", pages.line, name="line"),
    path("batches/<str:batch_id>/files/<str:file_id>", pages.download, name="download"),
]
