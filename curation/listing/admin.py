"""Items, answers, comparisons, queues and tasks in the admin."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from accounts.models import Project
from batches.admin import BatchAdmin
from batches.models import BatchJob
from batches.models.batch import TERMINAL
from curation.audit.recording import person, record
from curation.ingest.handing_over import note_clustering, ring_families
from curation.ingest.prompts import prompt_text
from curation.listing.locking import LOCKS
from curation.listing.pages import MOST_SENT, compare_page, judge_page, send_page
from curation.listing.scope import ScopedAdmin, led_projects, own_filters
from curation.models import Candidate, Comparison, Item, JudgeRun, Queue, Task
from curation.models.audit_event import Action
from curation.rerunning.admin import CorrectingAdmin
from curation.rerunning.prompts import texts_of

SHOWN_LETTERS = 80


@admin.register(Item)
class ItemAdmin(CorrectingAdmin, ScopedAdmin):
    """Prompts."""

    list_display = ["id", "prompt_start", "project", "family", "split_lock"]
    list_filter = ["project", "split_lock"]
    list_select_related = ["project"]
    search_fields = ["=id", "=input_hash", "=family"]
    actions = ["find_families", "correct", "run_gold", *LOCKS]

    @admin.display(description="prompt")
    def prompt_start(self, item: Item) -> str:
        """Show how the question begins; system texts repeat."""
        prompt = item.input if isinstance(item.input, dict) else {}
        asked = [one.text for one in texts_of(prompt) if one.role == "user"]
        return (asked[-1] if asked else prompt_text(item.input))[:SHOWN_LETTERS]

    @admin.action(description="Find near-duplicates in their projects")
    def find_families(self, request: HttpRequest, items: QuerySet[Item]) -> None:
        """Ask the ops queue to cluster the prompts."""
        for project in Project.objects.filter(items__in=items).distinct():
            note_clustering(project, person(request.user))
            ring_families(project.pk)
        self.message_user(request, "Prompts without a family will have one soon.")


@admin.register(Candidate)
class CandidateAdmin(ScopedAdmin):
    """Answers with their provenance."""

    project_path = "item__project"
    deferred_in_list = ("output", "text", "manifest")
    list_display = ["id", "model", "item_id", "batch_id", "line", "finish_reason"]
    list_filter = ["item__project"]
    search_fields = ["=id", "=batch_id", "=model"]


@admin.register(Task)
class TaskAdmin(ScopedAdmin):
    """Answers that wait for reviews, and why some come first."""

    project_path = "queue__project"
    list_display = ["id", "queue", "item_id", "state", "priority", "why", "open_slots"]
    list_filter = ["state", "queue"]
    list_select_related = ["queue"]
    search_fields = ["=id", "=item__id"]
    ordering = ["-priority", "pk"]

    @admin.display(description="reasons")
    def why(self, task: Task) -> str:
        """Show the reasons in one line."""
        return "; ".join(map(str, task.reasons))


@admin.register(JudgeRun)
class JudgeRunAdmin(ScopedAdmin):
    """Models that judged, each with its batch; not what they said."""

    project_path = "queue__project"
    list_display = ["id", "model", "queue", "task_count", "batch", "created_at"]
    list_filter = ["queue"]
    list_select_related = ["queue", "batch"]


@admin.register(Comparison)
class ComparisonAdmin(ScopedAdmin):
    """Batches whose answers meet; adding one runs a file on several models."""

    list_display = ["name", "project", "queue", "progress", "created_at"]
    list_filter = ["project"]
    list_select_related = ["project", "queue"]
    search_fields = ["name", "=batches__id"]
    readonly_fields = ["progress"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Comparison]:
        """Count the batches of each."""
        ended = Q(batches__status__in=TERMINAL)
        found: QuerySet[Comparison] = super().get_queryset(request)
        return found.annotate(
            batch_count=Count("batches"), ended_count=Count("batches", filter=ended)
        )

    @admin.display(description="progress")
    def progress(self, comparison: Any) -> str:
        """Show how many batches ended."""
        return f"{comparison.ended_count} of {comparison.batch_count} batches ended"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may add comparisons in Django's terms, and leads a project."""
        may = request.user.has_perm("vllm_curation.add_comparison")
        return may and led_projects(request).exists()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the page that runs a file on several models."""
        return self._guarded(request, compare_page)

    def get_urls(self) -> list[URLPattern]:
        """Add the page to which batches are sent from their list."""
        view = self.admin_site.admin_view(self.send_view)
        own = path("send/", view, name="vllm_curation_comparison_send")
        found: list[URLPattern] = super().get_urls()
        return [own, *found]

    def send_view(self, request: HttpRequest) -> HttpResponse:
        """Show the page that sends batches to a queue."""
        return self._guarded(request, send_page)

    def _guarded(self, request: HttpRequest, show: Any) -> HttpResponse:
        if not self.has_add_permission(request):
            self.message_user(request, "You lead no project.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:index"))
        response: HttpResponse = show(self, request)
        return response


@admin.register(Queue)
class QueueAdmin(ModelAdmin):  # type: ignore[misc]
    """Queues, and how they are reviewed."""

    list_display = ["name", "project", "mode", "order", "is_blind", "is_open", "tasks"]
    list_filter = ["project", "mode", "is_open"]
    list_select_related = ["project"]
    search_fields = ["name"]
    autocomplete_fields = ["assignees"]
    actions = ["judge"]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Name no other projects."""
        return own_filters(self.model, super().get_list_filter(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Queue]:
        """Keep the queues of projects the person leads, with what waits in each."""
        waiting = Q(tasks__state="open", tasks__open_slots__gt=0)
        found: QuerySet[Queue] = super().get_queryset(request)
        return found.filter(project__in=led_projects(request)).annotate(
            waiting=Count("tasks", filter=waiting)
        )

    @admin.display(description="open tasks", ordering="waiting")
    def tasks(self, queue: Any) -> int:
        """Show how many tasks wait for somebody."""
        return int(queue.waiting)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep a queue in its project, and its tasks of one kind."""
        return ["project", "mode"] if obj else []

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the projects the person leads."""
        if db_field.name == "project":
            kwargs["queryset"] = led_projects(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        """Save the assignees, and write down what was changed."""
        queue = form.instance
        before = _names(queue)
        super().save_related(request, form, formsets, change)
        changes = _changes(form, before, _names(queue))
        if change and not changes:
            return
        action = Action.QUEUE_CHANGED if change else Action.QUEUE_MADE
        by, project_id = person(request.user), queue.project_id
        detail = ", ".join(changes) if change else queue.mode
        record(action, by, queue, project_id=project_id, detail=detail)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Close a queue instead: its reviews would go with it."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Add the page where a judge begins."""
        view = self.admin_site.admin_view(self.judge_view)
        own = path("<int:queue_id>/judge/", view, name="vllm_curation_queue_judge")
        found: list[URLPattern] = super().get_urls()
        return [own, *found]

    def judge_view(self, request: HttpRequest, queue_id: int) -> HttpResponse:
        """Show the page that lets a model judge."""
        return judge_page(self, request, queue_id)

    @admin.action(description="Let a model judge first", permissions=["change"])
    def judge(
        self, request: HttpRequest, queues: QuerySet[Queue]
    ) -> HttpResponse | None:
        """Go to the page that asks which one."""
        chosen = list(queues[:2])
        if len(chosen) != 1:
            self.message_user(request, "Choose one queue.", messages.WARNING)
            return None
        url = reverse("admin:vllm_curation_queue_judge", args=[chosen[0].pk])
        return HttpResponseRedirect(url)


def _names(queue: Queue) -> set[str]:
    return {user.get_username() for user in queue.assignees.all()}


def _changes(form: Any, before: set[str], after: set[str]) -> list[str]:
    """Return the fields that were changed, and who was assigned or is no more.

    Django calls an empty list changed that was sent as `[]`.
    """
    old, new = form.initial, form.cleaned_data
    names = [name for name in form.changed_data if name != "assignees"]
    names = [name for name in names if old.get(name) != new.get(name)]
    names += [f"+{name}" for name in sorted(after - before)]
    return names + [f"−{name}" for name in sorted(before - after)]


@admin.action(description="Send to curation", permissions=["cancel"])
def send_to_curation(
    page: BatchAdmin, request: HttpRequest, batches: QuerySet[BatchJob]
) -> HttpResponse | None:
    """Go to the page that asks for the queue."""
    ids = list(batches.values_list("pk", flat=True)[: MOST_SENT + 1])
    if len(ids) > MOST_SENT:
        page.message_user(request, f"Choose up to {MOST_SENT}.", messages.WARNING)
        return None
    url = reverse("admin:vllm_curation_comparison_send")
    return HttpResponseRedirect(f"{url}?batches={','.join(ids)}")


# Batches know nothing of curation, so the action is brought to them.
BatchAdmin.actions = [*BatchAdmin.actions, cast(Any, send_to_curation)]
