"""Whole pages: the queues, and the page on which one works."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from curation.models import Queue
from curation.review import access, keymap
from curation.review.cards import Card
from curation.review.progress import progress_of
from curation.review.views.answers import page


@page("GET")
def queues(request: HttpRequest) -> HttpResponse:
    """List the person's queues with their progress."""
    visible = list(access.visible_queues(request.user).order_by("project", "name"))
    mine = set(access.reviewable_queues(request.user).values_list("pk", flat=True))
    progress = progress_of(visible)
    rows = [
        {
            "queue": queue,
            "progress": progress[queue.pk],
            "may_review": queue.pk in mine,
            "leads": access.leads(request.user, queue),
        }
        for queue in visible
    ]
    return render(request, "curation/review/queues.html", {"rows": rows})


@page("GET")
def work(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Show the frame; its script asks for the reviews."""
    queue = access.get_queue(request.user, queue_id)
    return _frame(request, queue)


@page("GET")
def review(request: HttpRequest, review_id: int) -> HttpResponse:
    """Show one of the person's own reviews; a partial for htmx."""
    own = access.get_review(request.user, review_id)
    card = Card(own, own.task.queue)
    if request.headers.get("HX-Request"):
        return render(request, "curation/review/card.html", {"card": card})
    return _frame(request, own.task.queue, card)


def _frame(
    request: HttpRequest, queue: Queue, card: Card | None = None
) -> HttpResponse:
    context = {
        "queue": queue,
        "card": card,
        "leads": access.leads(request.user, queue),
        "progress": progress_of([queue])[queue.pk],
        "bindings": keymap.bindings(queue.mode),
        "settings": {
            "keys": keymap.table(queue.mode),
            "mode": queue.mode,
            "lease_seconds": queue.lease_seconds,
            "user": str(request.user.pk),
            "urls": {
                "queue": reverse("review:work", args=[queue.pk]),
                "reviews": reverse("review:queues") + "reviews/",
            },
        },
    }
    return render(request, "curation/review/work.html", context)
