"""Pages on which a lead corrects prompts: one item's texts, or many system texts."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from curation.audit.recording import person
from curation.exceptions import CurationError
from curation.models import Item, Queue, Rerun, Task
from curation.models.task import State
from curation.rerunning.actions import correct
from curation.rerunning.forms import SystemForm, TextsForm
from curation.rerunning.planning import plan, system_texts
from curation.rerunning.prompts import Correction, texts_of
from curation.review import access
from curation.review.views.answers import page

# Items that may be chosen one by one; above that it is the whole queue.
MOST_ITEMS = 500
LISTED = 50
MOST_DIGITS = 18


@page("GET")
def choose(request: HttpRequest) -> HttpResponse:
    """Go to the queue of the chosen items; ask which one, if they are in several."""
    items = _numbers(request)
    found = Task.objects.filter(item_id__in=items).exclude(state=State.VOID)
    visible = access.visible_queues(request.user)
    queues = list(visible.filter(pk__in=found.values("queue")).order_by("name"))
    queues = [queue for queue in queues if access.leads(request.user, queue)]
    links = [(queue, _link(queue, items)) for queue in queues]
    if len(links) == 1:
        return redirect(links[0][1])
    return render(request, "curation/rerunning/choose.html", {"links": links})


@page("GET", "POST")
def correct_page(request: HttpRequest, queue_id: int) -> HttpResponse:
    """Take a correction, show what it would run, and send it out."""
    queue = access.get_led_queue(request.user, queue_id)
    items = _items(queue, _numbers(request))
    form = _form(queue, items, request.POST or None)
    context: dict[str, Any] = {"queue": queue, "items": items, "form": form}
    if form.is_valid():
        correction, ids = form.correction(), [item.pk for item in items] or None
        if "send" in request.POST and _send(request, queue, ids, correction):
            return redirect("rerunning:correct", queue_id=queue.pk)
        context["plan"] = found = plan(queue, ids, correction)
        context["targets"] = sorted(found.lines.items())
        context["unserved"] = sorted(found.unserved.items())
    context["reruns"] = _reruns(queue)
    return render(request, "curation/rerunning/correct.html", context)


def _send(
    request: HttpRequest, queue: Queue, ids: list[int] | None, correction: Correction
) -> bool:
    try:
        reruns = correct(queue, ids, correction, person(request.user))
    except CurationError as error:
        messages.warning(request, str(error))
        return False
    count = sum(rerun.line_count for rerun in reruns)
    where = reruns[0].queue.name
    text = f"{count} answers are asked for again. They will meet in {where}."
    messages.success(request, text)
    return True


def _form(queue: Queue, items: list[Item], data: Any) -> SystemForm | TextsForm:
    if len(items) == 1:
        return TextsForm(texts_of(items[0].input), data)
    return SystemForm(system_texts(queue), data)


def _numbers(request: HttpRequest) -> list[int]:
    """Return the items in the address; what is no number is no item."""
    parts = request.GET.get("items", "").split(",")[:MOST_ITEMS]
    return [
        int(part)
        for part in parts
        if part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS
    ]


def _items(queue: Queue, numbers: list[int]) -> list[Item]:
    if not numbers:
        return []
    tasks = Task.objects.filter(queue=queue).exclude(state=State.VOID)
    here = Item.objects.filter(pk__in=tasks.filter(item__in=numbers).values("item"))
    items = list(here.order_by("pk"))
    if not items:
        raise Http404("None of these items is in the queue.")
    return items


def _link(queue: Queue, items: list[int]) -> str:
    url = reverse("rerunning:correct", args=[queue.pk])
    return f"{url}?items={','.join(map(str, items))}"


def _reruns(queue: Queue) -> list[Rerun]:
    rows = Rerun.objects.filter(queue=queue).select_related("batch", "created_by")
    return list(rows[:LISTED])
