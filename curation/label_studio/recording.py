"""Write annotations down as reviews and revisions; decisions follow as for others.

Nothing is overwritten: whoever says something new gets a review in the next round.
Where two sides contradict each other both stay, the task is flagged, and the
annotation's link says why in `conflict`.
"""

from collections.abc import Sequence

from django.db.models import F

from curation.audit.recording import SERVER, Actor
from curation.canonical import digest_text
from curation.label_studio.annotations import Annotation
from curation.label_studio.links import ANNOTATION, links_of, new_link
from curation.label_studio.reading import Reading, read
from curation.models import Candidate, ExternalLink, Review, Revision, Task
from curation.models.review import Outcome, ReviewStatus
from curation.models.task import State
from curation.review.actions.deciding import decide
from curation.review.actions.leases import last_round
from curation.review.actions.slots import recount
from curation.review.diffing import edit_ratio
from vllm_batch.lib.clock import database_now

OVERWRITTEN = "Another person changed this annotation in Label Studio."
BOTH_SIDES = "It was changed here and in Label Studio."
AGAINST_HERE = "The same person decided otherwise here."
AGAINST_SELF = "The same person annotated the task twice, and differently."
GONE_BUT_CHANGED = "It was changed here, and deleted in Label Studio."
LONGEST_TIME_MS = 2**31 - 1


class Recorder:
    """Records the annotations of one remote task.

    In a transaction that has locked ours; `finish` ends it.
    """

    def __init__(
        self, task: Task, shown: Sequence[Candidate], *, scope: str, remote_task: int
    ) -> None:
        self._task, self._shown, self._scope = task, shown, scope
        self._remote_task = remote_task
        self._links = links_of(ANNOTATION, scope)
        self._is_changed = self._is_disputed = False
        self._last_author = SERVER

    def record(self, annotation: Annotation, author: int) -> bool:
        """Record what is new in an annotation; False if nothing is."""
        link = self._links.filter(remote_id=str(annotation.id)).first()
        if link is not None and link.remote_hash == annotation.digest:
            return False
        reading = read(annotation, self._shown)
        if link is None:
            conflict = self._first_conflict(annotation, reading, author)
            link = new_link(ANNOTATION, self._scope, "", annotation.id)
        else:
            conflict = self._next_conflict(link, author)
        review = self._add_review(annotation, reading, author)
        self._keep_link(link, annotation, review, conflict)
        self._is_changed, self._last_author = True, Actor(author)
        self._is_disputed |= bool(conflict)
        return True

    def note_gone(self, present: set[str]) -> int:
        """Retract the reviews of annotations that were deleted; return how many."""
        known = self._links.filter(
            data__remote_task=self._remote_task, data__is_gone=False
        )
        gone = [link for link in known if link.remote_id not in present]
        for link in gone:
            review = Review.objects.get(pk=int(link.local_id))
            if _changed_here(review, link):
                link.conflict, self._is_disputed = GONE_BUT_CHANGED, True
            else:
                _retract(review)
            link.data = {**link.data, "is_gone": True}
            link.save(update_fields=["data", "conflict"])
            self._is_changed = True
        return len(gone)

    def finish(self) -> None:
        """Bring the task's counts, state and decision in line with its reviews."""
        if not self._is_changed:
            return
        recount(self._task)
        decide(self._task, self._last_author)
        if self._is_disputed and self._task.state != State.VOID:
            self._task.state = State.FLAGGED
            self._task.save(update_fields=["state"])

    def _first_conflict(
        self, annotation: Annotation, reading: Reading, author: int
    ) -> str:
        """Return what contradicts an annotation that is seen for the first time."""
        if annotation.updated_by != annotation.completed_by:
            return OVERWRITTEN
        verdict = reading.outcome, reading.winner.pk if reading.winner else None
        said = Review.objects.filter(
            task=self._task, reviewer_id=author, status=ReviewStatus.SUBMITTED
        )
        for review in said:
            if (review.outcome, review.winner_id) != verdict:
                is_remote = self._links.filter(local_id=str(review.pk)).exists()
                return AGAINST_SELF if is_remote else AGAINST_HERE
        return ""

    def _next_conflict(self, link: ExternalLink, author: int) -> str:
        """Retract what its author takes back; else return what contradicts."""
        before = Review.objects.get(pk=int(link.local_id))
        if _changed_here(before, link):
            return BOTH_SIDES
        if before.reviewer_id != author:
            return OVERWRITTEN
        _retract(before)
        return link.conflict

    def _add_review(
        self, annotation: Annotation, reading: Reading, author: int
    ) -> Review:
        # Unique: even two pulls at once could not store it twice.
        name = f"{self._scope}\0{annotation.digest}\0{annotation.updated_at}"
        review = Review.objects.create(
            task=self._task,
            reviewer_id=author,
            round=last_round(self._task, author) + 1,
            shown_order=[candidate.pk for candidate in self._shown],
            outcome=reading.outcome,
            winner=reading.winner,
            is_gold=reading.is_gold,
            note=reading.note,
            status=ReviewStatus.SUBMITTED,
            active_ms=min(int(annotation.seconds * 1000), LONGEST_TIME_MS),
            mutation_id=digest_text(name),
            submitted_at=database_now(),
        )
        if reading.corrected is not None and reading.outcome != Outcome.SKIP:
            self._revise(review, reading.corrected, reading.correction)
        return review

    def _revise(self, review: Review, candidate: Candidate, text: str) -> None:
        """Keep a correction; the same one, made again, belongs to the new review."""
        first = {
            "item_id": self._task.item_id,
            "review": review,
            "text": text,
            "edit_ratio": edit_ratio(candidate.text, text),
        }
        Revision.objects.update_or_create(
            candidate=candidate,
            author_id=review.reviewer_id,
            text_hash=digest_text(text),
            defaults={"review": review},
            create_defaults=first,
        )

    def _keep_link(
        self,
        link: ExternalLink,
        annotation: Annotation,
        review: Review,
        conflict: str,
    ) -> None:
        link.local_id = str(review.pk)
        link.remote_hash = annotation.digest
        link.conflict = conflict
        link.synced_at = database_now()
        link.data = {
            "task": self._task.pk,
            "remote_task": self._remote_task,
            "version": review.version,
            "is_gone": False,
            "completed_by": annotation.completed_by,
            "updated_by": annotation.updated_by,
        }
        link.save()


def _changed_here(review: Review, link: ExternalLink) -> bool:
    """Tell whether our side did something to a review since it was imported."""
    is_as_it_was = review.version == link.data.get("version")
    return not (is_as_it_was and review.status == ReviewStatus.SUBMITTED)


def _retract(review: Review) -> None:
    held = Review.objects.filter(pk=review.pk, version=review.version)
    held.update(status=ReviewStatus.RETRACTED, version=F("version") + 1)
