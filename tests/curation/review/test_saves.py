"""Saving, correcting, undoing: nothing lost, nothing twice."""

import pytest

from curation.models import Decision, JudgeRun, JudgeVerdict, Review, Revision, Task
from tests.curation.review.desk import Desk, make_candidate, make_queue, make_task

pytestmark = pytest.mark.django_db
ID = "a-mutation-1"


@pytest.fixture
def desk():
    queue = make_queue(tags=["wrong fact", "style"])
    make_task(queue, "the cat sat", "the dog lay")
    return Desk(queue)


def test_a_draft_is_kept(desk):
    review = desk.next()

    response = desk.draft(
        review, edits={"1": "better"}, note="n", tags=["style"], is_gold=True,
        active_ms=1200,
    )  # fmt: skip

    assert response.json()["version"] == 1
    review.refresh_from_db()
    assert review.edits == {str(review.shown_order[1]): "better"}
    assert (review.note, review.tags, review.is_gold) == ("n", ["style"], True)
    assert (review.status, review.active_ms) == ("draft", 1200)


def test_a_repeated_save_is_answered_and_changes_nothing(desk):
    review = desk.next()
    first = desk.submit(review, mutation_id=ID)

    again = desk.submit(review, mutation_id=ID)

    assert first.json() == again.json() and again.status_code == 200
    assert Decision.objects.count() == 1 and Task.objects.get().review_count == 1


def test_another_reviews_mutation_id_is_refused(desk):
    make_task(desk.queue)
    first = desk.next()
    other = desk.next(first.pk)
    desk.draft(first, mutation_id=ID)

    response = desk.draft(other, mutation_id=ID)

    assert response.status_code == 409
    assert response.json()["error"]["param"] == "mutation_id"


def test_a_stale_save_shows_both_and_overwrites_nothing(desk):
    review = desk.next()
    desk.draft(review, edits={"0": "from the phone"})

    response = desk.draft(review, edits={"0": "from <b>the</b> desk"}, note="mine")

    body = response.json()
    assert response.status_code == 409 and body["version"] == 1
    assert body["error"]["code"] == "review_changed"
    assert "from the phone" in body["merge"] and "mine" in body["merge"]
    assert "from &lt;b&gt;the&lt;/b&gt; desk" in body["merge"]
    review.refresh_from_db()
    assert list(review.edits.values()) == ["from the phone"]


def test_saving_the_merged_text_on_the_new_version_works(desk):
    review = desk.next()
    desk.draft(review, edits={"0": "one"})
    version = desk.draft(review, edits={"0": "two"}).json()["version"]

    response = desk.draft(review, version=version, edits={"0": "one and two"})

    assert response.status_code == 200
    review.refresh_from_db()
    assert list(review.edits.values()) == ["one and two"]


def test_a_verdict_after_the_verdict_is_a_conflict(desk):
    review = desk.next()
    desk.submit(review)

    response = desk.submit(review, "tie")

    assert response.status_code == 409 and response.json()["status"] == "submitted"
    assert Review.objects.get().outcome == "win"


def test_a_correction_becomes_a_revision_and_the_answer(desk):
    review = desk.next()
    left = review.shown_order[0]
    words = "the cat sat" if left == min(review.shown_order) else "the dog lay"

    desk.submit(review, edits={"0": words + " down"}, tags=["style"])

    revision = Revision.objects.get()
    assert (revision.candidate_id, revision.author) == (left, desk.user)
    assert 0 < revision.edit_ratio < 0.5 and revision.tags == ["style"]
    decision = Decision.objects.get()
    assert decision.answer_revision == revision and decision.answer_candidate is None


def test_a_correction_that_changes_nothing_is_none(desk):
    review = desk.next()
    words = {min(review.shown_order): "the cat sat"}
    text = words.get(review.shown_order[0], "the dog lay")

    desk.submit(review, edits={"0": text})

    assert not Revision.objects.exists()
    assert Decision.objects.get().answer_candidate_id == review.shown_order[0]


def test_undo_retracts_and_gives_a_draft_with_everything(desk):
    review = desk.judge(edits={"0": "better"}, note="why", is_gold=True)

    desk.undo(review)

    review.refresh_from_db()
    draft = Review.objects.get(status="draft")
    assert review.status == "retracted" and draft.round == 2
    assert draft.shown_order == review.shown_order
    assert (draft.edits, draft.note, draft.is_gold) == (review.edits, "why", True)
    task = Task.objects.get()
    assert (task.state, task.review_count, task.open_slots) == ("open", 0, 0)
    assert not Decision.objects.filter(is_current=True).exists()


def test_undo_twice_by_one_mutation_is_once(desk):
    review = desk.judge()
    desk.undo(review, ID)

    assert desk.undo(review, ID).status_code == 200
    assert Review.objects.count() == 2


def test_deciding_anew_after_undo_counts(desk):
    review = desk.judge("tie")
    desk.undo(review)

    again = desk.vote_for(review.shown_order[1], edits={"1": "better"})

    assert again.round == 2
    assert Decision.objects.get(is_current=True).answer_revision is not None


def test_only_the_last_ten_can_be_undone():
    queue = make_queue()
    for _ in range(11):
        make_task(queue)
    desk = Desk(queue)
    reviews = [desk.judge("tie") for _ in range(11)]

    assert desk.undo(reviews[0]).status_code == 409
    assert desk.undo(reviews[1]).status_code == 200


def test_skipping_frees_the_slot_for_others_only(desk):
    desk.judge("skip")

    assert desk.next() is None
    assert Desk(desk.queue).next() is not None


def test_a_blind_queue_hides_names_until_the_vote(desk):
    review = desk.next()
    page = desk.get(f"reviews/{review.pk}/").content.decode()
    assert "secret-model" not in desk.html + page

    desk.submit(review)

    rail = desk.get(f"{desk.queue.pk}/rail").content.decode()
    page = desk.get(f"reviews/{review.pk}/").content.decode()
    assert "secret-model-0" in rail and "secret-model-1" in page


def test_a_judges_word_is_shown_after_the_vote_only(desk):
    task = Task.objects.get()
    run = JudgeRun.objects.create(queue=desk.queue, model="stern-judge")
    for is_reversed in (False, True):
        JudgeVerdict.objects.create(
            run=run,
            task=task,
            is_reversed=is_reversed,
            outcome="win",
            winner_id=task.candidate_ids[1],
        )
    review = desk.next()
    before = desk.html + desk.get(f"{desk.queue.pk}/rail").content.decode()

    desk.submit(review)

    after = desk.get(f"{desk.queue.pk}/rail").content.decode()
    side = "AB"[review.shown_order.index(task.candidate_ids[1])]
    assert "stern-judge" not in before
    assert f"Judge stern-judge: {side} is better" in after


def test_candidates_ids_do_not_tell_which_is_which(desk):
    task = Task.objects.get()
    ids = [make_candidate(task.item, "x", pk=pk).pk for pk in (734_501, 734_502)]
    Task.objects.update(candidate_ids=ids)

    desk.next()

    assert desk.html and "73450" not in desk.html


def test_an_open_queue_shows_names():
    queue = make_queue(is_blind=False)
    make_task(queue)
    desk = Desk(queue)
    desk.next()

    assert "secret-model-0" in desk.html


def test_ranking_needs_every_answer_and_its_first_wins():
    queue = make_queue(mode="rank")
    make_task(queue, "a", "b", "c")
    desk = Desk(queue)
    review = desk.next()

    short = desk.submit(review, ranking=[2, 0])
    whole = desk.submit(review, ranking=[2, 0, 1], side=2)

    assert (short.status_code, whole.status_code) == (400, 200)
    review.refresh_from_db()
    assert review.winner_id == review.shown_order[2] == review.ranking[0]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"outcome": "best"}, "outcome"),
        ({"side": 2}, "side"),
        ({"side": None}, "side"),
        ({"side": True}, "side"),
        ({"version": -1}, "version"),
        ({"version": "0"}, "version"),
        ({"mutation_id": "short"}, "mutation_id"),
        ({"mutation_id": None}, "mutation_id"),
        ({"edits": []}, "edits"),
        ({"edits": {"2": "x"}}, "edits"),
        ({"edits": {"0": 1}}, "edits"),
        ({"edits": {"0": "x" * 500_001}}, "edits"),
        ({"note": "x" * 10_001}, "note"),
        ({"tags": "style"}, "tags"),
        ({"tags": [1]}, "tags"),
        ({"is_gold": 1}, "is_gold"),
        ({"ranking": [0, 0]}, "ranking"),
        ({"ranking": [5]}, "ranking"),
        ({"active_ms": -5}, "active_ms"),
        ({"active_ms": 1e99}, "active_ms"),
    ],
)
def test_a_wrong_save_is_refused_by_name(desk, body, param):
    review = desk.next()

    response = desk.submit(review, **body)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert Review.objects.get().version == 0


@pytest.mark.parametrize("raw", ["", "[]", "{", "[" * 100_000, "\xff"])
def test_a_body_that_is_no_object_is_refused(desk, raw):
    review = desk.next()
    url = f"/admin/review/reviews/{review.pk}/submit"

    response = desk.client.post(url, raw, content_type="application/json")

    assert response.status_code == 400 and "error" in response.json()


def test_letters_that_databases_refuse_are_replaced(desk):
    review = desk.next()

    response = desk.draft(review, note="a\x00b\ud800c", edits={"0": "\x00"})

    assert response.status_code == 200
    review.refresh_from_db()
    assert review.note == "a\ufffdb\ufffdc"


def test_tags_that_the_queue_has_not_are_dropped(desk):
    review = desk.next()

    desk.draft(review, tags=["style", "forged"])

    review.refresh_from_db()
    assert review.tags == ["style"]


def test_differences_of_the_answers_and_of_a_correction(desk):
    review = desk.next()
    desk.draft(review, edits={"0": "the cow sat"})

    both = desk.get(f"reviews/{review.pk}/differences").content.decode()
    mine = desk.get(f"reviews/{review.pk}/differences?side=0&unit=line")
    wrong = desk.get(f"reviews/{review.pk}/differences?side=7")

    assert "<del>" in both and "<ins>" in both
    assert "the cow sat" in mine.content.decode()
    assert wrong.status_code == 400 and wrong.json()["error"]["param"] == "side"
