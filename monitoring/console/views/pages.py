"""Whole pages: the front page, the list of batches, a batch, one of its lines."""

from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from batches.models import BatchJob, Status
from batches.preflight_text import rows as preflight_rows
from curation.review.views.answers import page
from files.models import File, batch_storage
from monitoring.console import faults, history, listing, overview
from monitoring.console.changing import verbs_for
from monitoring.console.lines import browsing
from monitoring.console.plots import plot
from monitoring.console.rows import rows_of
from monitoring.console.viewers import Viewer
from vllm_batch.lib.clock import database_now


@page("GET")
def front(request: HttpRequest) -> HttpResponse:
    """Show how everything stands; two parts of the page fetch themselves again."""
    viewer = Viewer(request.user)
    found = overview.look(viewer)
    context = {"overview": found, "viewer": viewer, "place": "front"}
    is_part = request.headers.get("HX-Request")
    name = "now" if is_part else "front"
    return render(request, f"monitoring/console/{name}.html", context)


@page("GET")
def past(request: HttpRequest) -> HttpResponse:
    """Show the last hours: a part of the front page."""
    found = history.look(Viewer(request.user))
    span = (found.since, found.now)
    plots = [
        plot("tokens", "Output tokens", "tokens/s", found.tokens_per_second, span),
        plot("lines", "Lines", "lines/s", found.lines_per_second, span),
    ]
    context = {"history": found, "plots": plots}
    return render(request, "monitoring/console/past.html", context)


@page("GET")
def batches(request: HttpRequest) -> HttpResponse:
    """List batches, newest first."""
    viewer = Viewer(request.user)
    wish = listing.read_wish(request.GET.dict())
    context = {
        "viewer": viewer,
        "place": "batches",
        "wish": wish,
        "listing": listing.find(viewer, wish),
        "statuses": Status.values,
        "projects": viewer.projects(),
    }
    return render(request, "monitoring/console/batches.html", context)


@page("GET")
def batch(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show a batch; a part of the page fetches itself again while it lives."""
    viewer = Viewer(request.user)
    found = viewer.batch(batch_id)
    context = batch_context(viewer, found)
    if request.headers.get("HX-Request"):
        context["is_part"] = True
        response = render(request, "monitoring/console/progress.html", context)
        if found.is_dry_run and found.is_terminal:
            response["HX-Refresh"] = "true"
        return response
    name = "check" if found.is_dry_run else "batch"
    query = browsing.read_query(request.GET.dict())
    context |= lines_context(found, query) if not found.is_dry_run else {}
    return render(request, f"monitoring/console/{name}.html", context)


def batch_context(viewer: Viewer, found: BatchJob) -> dict[str, Any]:
    """Return what the page of a batch shows, but for its lines."""
    shown, count = faults.faults_of(found)
    return {
        "viewer": viewer,
        "row": rows_of([found])[0],
        "batch": found,
        "faults": shown,
        "fault_count": count,
        "acts": viewer.acts_in(found.project_id),
        "verbs": verbs_for(found),
        "preflight": preflight_rows(found.preflight) if found.preflight else [],
        "causes": history.causes_of(found) if found.failed else [],
        "runs": found.handler_runs.order_by("handler") if found.is_terminal else [],
        "retries": list(found.retries.values_list("pk", flat=True)[:20]),
        "files": _files(found),
    }


def _files(found: BatchJob) -> list[tuple[str, File]]:
    kinds = {
        found.input_file_id: "Input",
        found.output_file_id: "Output",
        found.error_file_id: "Errors",
    }
    visible = File.objects.of(found.project).visible(database_now())
    rows = visible.filter(pk__in=[pk for pk in kinds if pk], purged_at=None)
    return sorted((kinds[file.pk], file) for file in rows)


def lines_context(found: BatchJob, query: browsing.Query) -> dict[str, Any]:
    """Return what a page of lines shows."""
    context: dict[str, Any] = {"batch": found, "query": query}
    try:
        context["page"] = browsing.look(found, query)
    except browsing.InputGone:
        context["is_gone"] = True
    return context


@page("GET")
def lines(request: HttpRequest, batch_id: str) -> HttpResponse:
    """Show a page of lines: a part of the batch's page, or more of it."""
    found = Viewer(request.user).batch(batch_id)
    query = browsing.read_query(request.GET.dict())
    context = lines_context(found, query)
    name = "more" if request.GET.get("more") else "lines"
    return render(request, f"monitoring/console/{name}.html", context)


@page("GET")
def line(request: HttpRequest, batch_id: str, number: int) -> HttpResponse:
    """Show one line whole, with its JSON; the JSON alone as a part of a page."""
    viewer = Viewer(request.user)
    found = viewer.batch(batch_id)
    try:
        shown = browsing.find(found, number)
    except browsing.InputGone:
        shown = None
    if shown is None:
        raise Http404("No such line.")
    context = {"batch": found, "line": shown, "viewer": viewer}
    name = "raw" if request.headers.get("HX-Request") else "line"
    return render(request, f"monitoring/console/{name}.html", context)


@page("GET")
def download(request: HttpRequest, batch_id: str, file_id: str) -> HttpResponseBase:
    """Send one of the batch's files, byte for byte."""
    found = Viewer(request.user).batch(batch_id)
    file = next((file for _, file in _files(found) if file.pk == file_id), None)
    if file is None:
        raise Http404("No such file.")
    try:
        stream = batch_storage().open(file.path)
    except OSError as error:
        raise Http404("The bytes of this file are gone.") from error
    return FileResponse(
        stream,
        as_attachment=True,
        filename=file.filename,
        content_type="application/octet-stream",
    )
