"""Why a review could not be saved."""

from curation.models import Review
from vllm_batch.lib.errors import Conflict


class ReviewChanged(Conflict):
    """The review was changed elsewhere: the page shows both to be merged (409)."""

    def __init__(self, review: Review) -> None:
        text = "This review was changed in another tab or on another device."
        super().__init__(text, param="version", code="review_changed")
        self.review = review


class SlotTaken(Conflict):
    """The lease had ended and others took the task; the draft stays (409)."""

    def __init__(self, review: Review) -> None:
        text = (
            "Your lease had ended and others have reviewed this task."
            " What you wrote is kept in your draft."
        )
        super().__init__(text, code="slot_taken")
        self.review = review


class NothingToUndo(Conflict):
    """The review is no submitted one of the reviewer's last ten (409)."""

    def __init__(self) -> None:
        text = "Only your last ten decisions in this queue can be undone."
        super().__init__(text, code="nothing_to_undo")


class NoSuchCorrection(Conflict):
    """No submitted review of the task has this correction any more (409)."""

    def __init__(self) -> None:
        text = "This correction was taken back meanwhile. Look again."
        super().__init__(text, param="verdict", code="no_such_correction")
