"""Routes of the review pages, mounted inside the admin's."""

from django.urls import path

from curation.review.views import leading, pages, partials, saves

app_name = "review"

urlpatterns = [
    path("", pages.queues, name="queues"),
    path("<int:queue_id>/", pages.work, name="work"),
    path("<int:queue_id>/next", saves.take_next, name="next"),
    path("<int:queue_id>/heartbeat", saves.heartbeat, name="heartbeat"),
    path("<int:queue_id>/release", saves.release, name="release"),
    path("<int:queue_id>/rail", partials.rail, name="rail"),
    path("<int:queue_id>/progress", partials.progress, name="progress"),
    path("<int:queue_id>/flagged/", leading.flagged, name="flagged"),
    path("reviews/<int:review_id>/", pages.review, name="review"),
    path("reviews/<int:review_id>/draft", saves.draft, name="draft"),
    path("reviews/<int:review_id>/submit", saves.submit, name="submit"),
    path("reviews/<int:review_id>/undo", saves.undo, name="undo"),
    path("reviews/<int:review_id>/differences", partials.differences, name="diff"),
    path("tasks/<int:task_id>/", leading.decide, name="decide"),
]
