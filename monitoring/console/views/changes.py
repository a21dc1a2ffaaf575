"""What buttons do: each posts, calls one action, and leads to a page that tells."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from curation.review.views.answers import page
from monitoring.console import creating
from monitoring.console.changing import BY_NAME, Done
from monitoring.console.viewers import Viewer
from vllm_batch.lib.errors import ApiError


@page("POST")
def change(request: HttpRequest, batch_id: str, verb: str) -> HttpResponse:
    """Do one thing to a batch."""
    batch = Viewer(request.user).own_batch(batch_id)
    if verb not in BY_NAME:
        raise Http404("No such button.")
    try:
        done = BY_NAME[verb].act(batch, request.user.get_username())
    except ApiError as refusal:
        messages.warning(request, refusal.message)
        done = Done("", batch)
    if done.message:
        messages.success(request, done.message)
    return redirect("console:batch", batch_id=done.batch.pk)


@page("POST")
def run(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Run what was looked at."""
    drafted = Viewer(request.user).own_batch(batch_id)
    try:
        batch = creating.run(drafted)
    except ApiError as refusal:
        messages.warning(request, refusal.message)
        batch = drafted
    return redirect("console:batch", batch_id=batch.pk)
