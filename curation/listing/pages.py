"""Pages of the admin that begin something: a comparison, sending, a judge run."""

from contextlib import closing
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin

from batches.models import BatchJob
from curation.audit.recording import person
from curation.comparing import ComparisonOrder, compare, open_batch_file
from curation.exceptions import CurationError
from curation.judging.actions import judge
from curation.listing.asking import show_form
from curation.listing.forms import CompareForm, JudgeForm, QueueForm
from curation.listing.scope import led_projects
from curation.models import Comparison, Queue
from curation.sending import send

MOST_SENT = 100


def compare_page(page: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Run one file on several models."""
    projects = led_projects(request)
    form = CompareForm(projects, request.POST or None, request.FILES or None)
    if form.is_valid():
        try:
            found = _compare(form.cleaned_data, request)
        except CurationError as error:
            form.add_error(None, str(error))
        else:
            text = f"{found.batches.count()} batches run. Their answers will be tasks."
            return _done(page, request, text, found)
    return show_form(
        page,
        request,
        form,
        title="Run a file on several models",
        intro="Each model gets a batch of the file's lines. When the batches end, their"
        " answers meet as tasks in the queue.",
        verb="Run",
    )


def _compare(fields: dict[str, Any], request: HttpRequest) -> Comparison:
    upload = fields["upload"]
    if upload:
        order = _order(fields, fields["project"], upload.name, request)
        return compare(order, upload.file)
    file, stream = open_batch_file(None, fields["file"])
    with closing(stream):
        order = _order(fields, file.project, file.filename, request)
        return compare(order, stream)


def _order(
    fields: dict[str, Any], project: Any, filename: str, request: HttpRequest
) -> ComparisonOrder:
    return ComparisonOrder(
        project,
        filename,
        fields["models"],
        fields["queue"],
        fields["mode"],
        person(request.user),
    )


def send_page(page: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Send batches to a queue."""
    ids = request.GET.get("batches", "").replace("\0", "").split(",")[:MOST_SENT]
    rows = BatchJob.objects.filter(pk__in=ids, project__in=led_projects(request))
    batches = list(rows.select_related("project"))
    if not batches:
        raise PermissionDenied("None of these batches is of a project you lead.")
    form = QueueForm(request.POST or None)
    if form.is_valid():
        fields = form.cleaned_data
        try:
            by = person(request.user)
            found = send(batches, fields["queue"], fields["mode"], by=by)
        except CurationError as error:
            form.add_error(None, str(error))
        else:
            text = "What has ended becomes tasks in a moment, the rest when it ends."
            return _done(page, request, text, found)
    return show_form(
        page,
        request,
        form,
        title="Send batches to curation",
        intro="Answers to the same prompt meet. The batches: "
        + ", ".join(batch.pk for batch in batches),
        verb="Send",
    )


def judge_page(page: ModelAdmin, request: HttpRequest, queue_id: int) -> HttpResponse:
    """Let a model judge a queue's tasks."""
    queue = Queue.objects.filter(pk=queue_id, project__in=led_projects(request)).first()
    if queue is None or not page.has_change_permission(request, queue):
        raise PermissionDenied
    form = JudgeForm(request.POST or None)
    if form.is_valid():
        try:
            run = judge(queue, **form.cleaned_data, by=person(request.user))
        except CurationError as error:
            form.add_error(None, str(error))
        else:
            text = f"{run.model} judges {run.task_count} tasks in {run.batch_id}."
            return _done(page, request, text, queue)
    return show_form(
        page,
        request,
        form,
        title=f"Let a model judge {queue}",
        intro="An ordinary batch asks about each open task in both orders. What the"
        " model says orders the tasks; reviewers see it after their vote.",
        verb="Judge",
    )


def _done(page: ModelAdmin, request: HttpRequest, text: str, row: Any) -> HttpResponse:
    page.message_user(request, text, messages.SUCCESS)
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return HttpResponseRedirect(reverse(name, args=[quote(row.pk)]))
