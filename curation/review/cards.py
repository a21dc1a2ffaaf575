"""What the page shows of one review: prompt, answers, and what the reviewer wrote."""

from dataclasses import dataclass
from functools import cached_property
from string import ascii_uppercase

from curation.canonical import canonical
from curation.judging.opinions import Opinion
from curation.models import Candidate, Queue, Review
from curation.models.queue import Mode
from curation.models.review import Outcome, ReviewStatus
from curation.rerunning.changes import Change, change_of
from curation.review import keymap
from curation.review.content import Shown, Turn, shown, turns_of
from curation.review.saving import tags_of

SHOWN_LETTERS = 300


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer on its side. `model` is empty while it is hidden."""

    side: int
    candidate: Candidate
    text: Shown
    edit: str | None
    model: str = ""

    @property
    def letter(self) -> str:
        """What the page calls it."""
        return letter_of(self.side)

    @property
    def is_corrected(self) -> bool:
        """Tell whether the reviewer has changed it."""
        return self.edit is not None and self.edit != self.candidate.text

    @property
    def breaks_form(self) -> bool:
        """Tell whether the request asked for another form, such as a JSON schema."""
        return self.candidate.checks.get("schema") is False

    @property
    def origin(self) -> list[tuple[str, object]]:
        """Say where it comes from, if that is no secret: it would tell the model."""
        if not self.model:
            return []
        one = self.candidate
        tokens = one.usage if isinstance(one.usage, dict) else {}
        rows: list[tuple[str, object]] = [
            ("batch", one.batch_id),
            ("line", one.line),
            ("custom_id", one.custom_id[:SHOWN_LETTERS]),
            ("model", one.model),
            ("revision", one.model_revision),
            ("parameters", _said(one.parameters)),
            ("finish reason", one.finish_reason),
            ("tokens in", tokens.get("prompt_tokens", tokens.get("input_tokens"))),
            (
                "tokens out",
                tokens.get("completion_tokens", tokens.get("output_tokens")),
            ),
        ]
        return [(name, value) for name, value in rows if value not in ("", None)]

    @property
    def words(self) -> int:
        """Say how long it is."""
        return len(self.candidate.text.split())


def letter_of(side: int) -> str:
    """Return A for the first side, B for the second."""
    return ascii_uppercase[side % 26]


class Card:
    """A review as the page shows it."""

    def __init__(self, review: Review, queue: Queue) -> None:
        self.review = review
        self.queue = queue

    @cached_property
    def turns(self) -> list[Turn]:
        """The prompt."""
        return turns_of(self.review.task.item)

    @cached_property
    def change(self) -> Change | None:
        """The correction of the prompt that lies between the answers, if one does."""
        return change_of(self.review.task, [one.candidate for one in self.answers])

    @cached_property
    def answers(self) -> list[Answer]:
        """The answers, in the order that was drawn."""
        order = self.review.shown_order
        found = Candidate.objects.in_bulk(order)
        names = not self.queue.is_blind or self.is_voted
        return [
            Answer(
                side=side,
                candidate=found[pk],
                text=shown(found[pk]),
                edit=self.review.edits.get(str(pk)),
                model=found[pk].model if names else "",
            )
            for side, pk in enumerate(order)
            if pk in found
        ]

    @property
    def is_voted(self) -> bool:
        """Tell whether this review is cast: then names are no secret any more."""
        return bool(self.review.status == ReviewStatus.SUBMITTED)

    @property
    def mode(self) -> str:
        """The queue's mode; two answers to choose from make a pair."""
        return str(self.queue.mode)

    @property
    def is_pair(self) -> bool:
        """Tell whether there is a left and a right."""
        return self.mode == Mode.PAIR

    @property
    def is_rank(self) -> bool:
        """Tell whether answers are put in order."""
        return self.mode == Mode.RANK

    @property
    def ranking(self) -> str:
        """The order of the draft, as sides with commas."""
        order = self.review.shown_order
        ranked = self.review.ranking or []
        return ",".join(str(order.index(pk)) for pk in ranked if pk in order)

    @property
    def tags(self) -> list[tuple[str, bool]]:
        """The queue's tags, and whether each is set."""
        return [(tag, tag in self.review.tags) for tag in tags_of(self.queue)]

    @property
    def caps(self) -> dict[str, str]:
        """What is printed on the buttons."""
        return keymap.caps_of(self.mode)


def _said(parameters: object) -> str:
    return canonical(parameters)[:SHOWN_LETTERS] if parameters else ""


@dataclass(frozen=True)
class Line:
    """One of the last decisions: what was decided, in a few words, with the names.

    `judge` is what a judge model said of it, to be seen only now.
    """

    review: Review
    verdict: str
    models: str
    prompt: str
    judge: str = ""


def line_of(
    review: Review,
    candidates: dict[int, Candidate],
    mode: str,
    opinion: Opinion | None = None,
) -> Line:
    """Return a submitted review in short."""
    names = [
        candidates[pk].model if pk in candidates else "?" for pk in review.shown_order
    ]
    return Line(
        review,
        _verdict(review, mode),
        _versus(names),
        _start_of(review),
        _of_judge(review, opinion) if opinion else "",
    )


def _of_judge(review: Review, opinion: Opinion) -> str:
    if opinion.is_contested:
        return f"{opinion.model} could not tell"
    if opinion.winner_id not in review.shown_order:
        return f"{opinion.model}: as good"
    letter = letter_of(review.shown_order.index(opinion.winner_id))
    return f"{opinion.model}: {letter} is better"


def _verdict(review: Review, mode: str) -> str:
    outcome = Outcome(review.outcome)
    if mode == Mode.SINGLE and outcome in (Outcome.WIN, Outcome.BOTH_BAD):
        return "good" if outcome == Outcome.WIN else "bad"
    if outcome == Outcome.WIN and review.winner_id in review.shown_order:
        letter = letter_of(review.shown_order.index(review.winner_id))
        return f"{letter} is best" if mode == Mode.RANK else f"{letter} is better"
    words = {
        Outcome.TIE: "as good",
        Outcome.BOTH_BAD: "all bad" if mode == Mode.RANK else "both bad",
        Outcome.SKIP: "skipped",
        Outcome.FLAG: "flagged",
    }
    return words.get(outcome, outcome)


def _versus(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    lettered = [f"{letter_of(side)} {name}" for side, name in enumerate(names)]
    return " · ".join(lettered)


def _start_of(review: Review) -> str:
    users = [t for t in turns_of(review.task.item) if t.role == "user"]
    return " ".join(users[-1].raw.split())[:60] if users else ""
