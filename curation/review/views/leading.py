"""Pages for leads: tasks on which reviewers disagree or that they flagged."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render

from curation.models import AuditEvent, Candidate, Review, Task
from curation.models.review import ReviewStatus
from curation.models.task import State
from curation.rerunning.changes import change_of
from curation.review import access, keymap
from curation.review.actions import adjudicating
from curation.review.cards import Answer, letter_of
from curation.review.content import shown, turns_of
from curation.review.corrections import corrections_of
from curation.review.saving import MOST_TEXT, clean_text
from curation.review.views.answers import page
from vllm_batch.lib.errors import ApiError, InvalidRequest

LISTED, LISTED_EVENTS = 100, 20
REVISION, MOST_DIGITS = "revision-", 18


@page("GET")
def flagged(request: HttpRequest, queue_id: int) -> HttpResponse:
    """List what waits for a lead."""
    queue = access.get_led_queue(request.user, queue_id)
    waiting = Task.objects.filter(queue=queue, state=State.FLAGGED)
    tasks = list(waiting.select_related("item").order_by("pk")[: LISTED + 1])
    rows = [
        {"task": task, "prompt": _start_of(task), "reviews": task.review_count}
        for task in tasks[:LISTED]
    ]
    context = {"queue": queue, "rows": rows, "has_more": len(tasks) > LISTED}
    return render(request, "curation/review/flagged.html", context)


def _start_of(task: Task) -> str:
    users = [turn for turn in turns_of(task.item) if turn.role == "user"]
    return " ".join(users[-1].raw.split())[:120] if users else f"Task {task.pk}"


@page("GET", "POST")
def decide(request: HttpRequest, task_id: int) -> HttpResponse:
    """Show a task with its reviews, and take the lead's word."""
    task = access.get_led_task(request.user, task_id)
    if request.method != "POST":
        return _task_page(request, task)
    try:
        _carry_out(request, task)
    except ApiError as refused:
        messages.warning(request, refused.message)
        task.refresh_from_db()
        return _task_page(request, task, status=refused.status_code)
    return redirect("review:flagged", queue_id=task.queue_id)


def _carry_out(request: HttpRequest, task: Task) -> None:
    form, version = request.POST, _number(request.POST.get("version", ""))
    verdict = form.get("verdict", "")
    if verdict == "send_back":
        adjudicating.send_back(task.pk, request.user, version=version)
        messages.success(request, "The task is back in its queue.")
        return
    if verdict == "void":
        adjudicating.void(task.pk, request.user, version=version)
        messages.success(request, "The task is taken out.")
        return
    adjudicating.adjudicate(task.pk, request.user, _word(task, form), version=version)
    messages.success(request, "Decided.")


def _word(task: Task, form: QueryDict) -> adjudicating.Word:
    """Return what the lead's form says; raises InvalidRequest."""
    verdict, is_gold = form.get("verdict", ""), form.get("is_gold") == "on"
    if verdict == "none":
        return adjudicating.Word(is_gold=is_gold)
    if verdict.startswith(REVISION):
        number = _number(verdict.removeprefix(REVISION), MOST_DIGITS)
        return adjudicating.Word(revision_id=number, is_gold=is_gold)
    side = _number(verdict)
    if side >= len(task.candidate_ids):
        raise InvalidRequest("There is no such answer.", param="verdict")
    text = None
    if f"edit-{side}" in form:
        # Forms send line breaks as CR LF; answers have LF.
        raw = form.get(f"edit-{side}", "").replace("\r\n", "\n")
        text = clean_text(raw, "edit", MOST_TEXT)
    return adjudicating.Word(
        candidate_id=task.candidate_ids[side], text=text, is_gold=is_gold
    )


def _number(text: str, most_digits: int = 9) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= most_digits):
        raise InvalidRequest("Choose an answer.", param="verdict")
    return int(text)


@dataclass(frozen=True)
class Opinion:
    """A review as a lead reads it."""

    reviewer: str
    verdict: str
    note: str
    tags: list[str]


def _task_page(request: HttpRequest, task: Task, status: int = 200) -> HttpResponse:
    found = Candidate.objects.in_bulk(task.candidate_ids)
    names = not task.queue.is_blind or task.state != State.FLAGGED
    answers = [
        Answer(
            side=side,
            candidate=found[pk],
            text=shown(found[pk]),
            edit=None,
            model=found[pk].model if names else "",
        )
        for side, pk in enumerate(task.candidate_ids)
    ]
    context = {
        "queue": task.queue,
        "task": task,
        "turns": turns_of(task.item),
        "answers": answers,
        "opinions": _opinions(task),
        "corrections": corrections_of(task, adjudicating.offered(task)),
        "events": AuditEvent.objects.filter(item=task.item_id)[:LISTED_EVENTS],
        "keys": keymap.as_table(keymap.LEAD),
        "is_blind": not names,
        "change": change_of(task, found.values()),
    }
    return render(request, "curation/review/decide.html", context, status=status)


def _opinions(task: Task) -> list[Opinion]:
    reviews = Review.objects.filter(task=task, status=ReviewStatus.SUBMITTED)
    opinions = []
    for review in reviews.select_related("reviewer"):
        verdict = review.get_outcome_display()
        if review.winner_id in task.candidate_ids:
            letter = letter_of(task.candidate_ids.index(review.winner_id))
            verdict = f"{letter} is better"
        name = review.reviewer.get_username()
        opinions.append(Opinion(name, verdict, review.note, review.tags))
    return opinions
