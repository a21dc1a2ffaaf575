"""The page of a queue's numbers, and the same as CSV and JSON."""

import csv
import io
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from curation.models import JudgeRun, Queue, Review
from tests.curation.numbers.votes import corrected, pair, says, vote
from tests.curation.review.desk import make_person, make_queue, make_task
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh() -> None:
    cache.clear()


def opened(queue: Queue, path: str = "numbers/", role: str = "lead") -> Any:
    client = Client()
    client.force_login(make_person(queue.project, role))
    return client.get(f"/admin/review/{queue.pk}/{path}")


def numbers(queue: Queue) -> Any:
    response = opened(queue, "numbers.json")
    assert response.status_code == 200
    return response.json()


def text(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_models_are_ranked_by_their_votes():
    queue, user = make_queue(), make_person()
    for verdict in ["1", "1", "1", "0", "tie", "both_bad", "skip", "flag"]:
        vote(pair(queue), user, verdict)

    first, second = numbers(queue)["standings"]

    assert (first["name"], second["name"]) == ("b", "a")
    record = {"wins": 3, "losses": 1, "ties": 1, "both_bad": 1, "votes": 6}
    assert record.items() <= first["record"].items()
    assert first["record"]["rate"]["value"] == pytest.approx(4 / 6)
    assert first["rating"]["value"] > 1000 > second["rating"]["value"]


def test_a_side_of_the_pair_is_not_a_model():
    queue, user = make_queue(), make_person()
    vote(pair(queue, "a", "b"), user, "0")
    vote(pair(queue, "b", "a"), user, "1")

    first, second = numbers(queue)["standings"]

    assert (first["name"], first["record"]["wins"]) == ("a", 2)
    assert second["record"]["losses"] == 2


def test_retracted_votes_and_void_tasks_do_not_count():
    queue, user = make_queue(), make_person()
    vote(pair(queue), user, "0", status="retracted")
    gone = pair(queue)
    vote(gone, user, "0")
    gone.state = "void"
    gone.save()

    assert numbers(queue)["votes"] == 0
    assert "Nobody has voted yet" in text(opened(queue))


def test_the_page_says_when_it_is_enough():
    queue, user = make_queue(), make_person()
    for _ in range(3):
        vote(pair(queue), user, "0")
    undecided = text(opened(queue))
    for _ in range(40):
        vote(pair(queue), user, "0")
    cache.clear()

    assert "Not decided yet" in undecided
    assert "Enough:" in text(opened(queue))


def test_models_that_never_met_are_called_so():
    queue, user = make_queue(), make_person()
    for _ in range(40):
        vote(pair(queue, "a", "b"), user, "0")
        vote(pair(queue, "c", "d"), user, "0")

    assert "Not comparable" in text(opened(queue))


def test_the_same_model_with_other_parameters_is_told_apart():
    queue, user = make_queue(), make_person()
    task = pair(queue, "a", "a")
    task.item.candidates.filter(pk=task.candidate_ids[1]).update(parameters_hash="hot")
    vote(task, user, "1")

    names = [one["name"] for one in numbers(queue)["standings"]]

    assert names == ["a, parameters hot", "a, parameters ?"]


def test_who_leans_to_a_side_is_marked():
    queue = make_queue()
    leaning, fair = make_person(username="leaning"), make_person(username="fair")
    for number in range(12):
        vote(pair(queue), leaning, str(number % 2), left=number % 2)
        vote(pair(queue), fair, "0", left=number % 2)

    shown, found = text(opened(queue)), numbers(queue)["reviewers"]

    left = {one["name"]: one["left"]["value"] for one in found}
    assert left == {"leaning": 1.0, "fair": 0.5}
    assert shown.count("leans to a side") == 1


def test_agreement_is_over_tasks_that_several_judged():
    queue, users = make_queue(), [make_person(), make_person(), make_person()]
    votes = ["000", "111", "110", "01", "0", "tie,tie"]
    for one in votes:
        task, verdicts = pair(queue), one.split(",") if "," in one else list(one)
        for user, verdict in zip(users, verdicts, strict=False):
            vote(task, user, verdict)

    found = numbers(queue)

    # By hand: 3 + 3 + 1 + 0 + 1 of 3 + 3 + 3 + 1 + 1 pairs agree.
    assert found["agreement"]["units"] == 5 and found["agreement"]["pairs"] == 11
    assert found["agreement"]["percent"] == pytest.approx(8 / 11)
    # Coincidences: 13 ratings, 5 of "0", 6 of "1", 2 ties; 2 + 2 of 13 disagree.
    assert found["agreement"]["alpha"]["value"] == pytest.approx(
        1 - 12 * 4 / (13**2 - 5**2 - 6**2 - 2**2)
    )


def test_two_reviewers_have_cohens_kappa():
    queue = make_queue()
    one, other = make_person(username="one"), make_person(username="other")
    for verdicts, count in {"00": 20, "01": 5, "10": 10, "11": 15}.items():
        for _ in range(count):
            task = pair(queue)
            vote(task, one, verdicts[0])
            vote(task, other, verdicts[1])

    (found,) = numbers(queue)["pairs"]

    assert found["names"] == ["one", "other"] and found["tasks"] == 50
    assert found["kappa"]["value"] == pytest.approx(0.4)


def test_a_judge_is_held_against_the_majority():
    queue, user = make_queue(), make_person()
    judge = JudgeRun.objects.create(queue=queue, model="judge", prompt_hash="p" * 64)
    for votes, words in [
        ("0", ("0", "0")),
        ("1", ("1", "1")),
        ("1", ("0", "0")),
        ("0", ("0", "1")),
        ("tie", ("tie", "tie")),
        ("both_bad", ("unclear", "unclear")),
        ("skip", ("0", "0")),
    ]:
        task = pair(queue)
        vote(task, user, votes)
        says(judge, task, *words)

    (found,) = numbers(queue)["judges"]

    assert found["table"] == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert found["percent"]["value"] == pytest.approx(4 / 6)
    # By hand: chance is (2·2 + 1·2 + 3·2) / 36.
    assert found["kappa"]["value"] == pytest.approx((4 / 6 - 12 / 36) / (1 - 12 / 36))
    assert found["contested"]["value"] == pytest.approx(1 / 6)


def test_a_task_judged_in_one_order_only_says_nothing():
    queue, user = make_queue(), make_person()
    judge = JudgeRun.objects.create(queue=queue, model="judge", prompt_hash="p" * 64)
    task = pair(queue)
    vote(task, user, "0")
    says(judge, task, "0", "0")
    judge.verdicts.filter(is_reversed=True).delete()

    assert numbers(queue)["judges"] == []


def test_corrections_have_a_table_of_their_own():
    queue, user = make_queue(), make_person()
    for verdict in ("1", "1", "0"):
        vote(corrected(queue), user, verdict)

    found = numbers(queue)

    (change,) = found["changes"]
    assert change["name"] == "secret-model-0" and change["record"]["wins"] == 2
    assert found["standings"] == []
    assert "Before and after a correction" in text(opened(queue))


def test_rankings_are_many_pairs():
    queue, user = make_queue(mode="rank"), make_person()
    task = make_task(queue, "x", "y", "z")
    x, y, z = task.candidate_ids
    vote(task, user, "2", ranking=[z, x, y])

    found = {one["name"]: one["record"] for one in numbers(queue)["standings"]}

    assert [found[f"secret-model-{n}"]["wins"] for n in range(3)] == [1, 0, 2]


def test_single_answers_have_a_share_of_good_ones():
    queue, user = make_queue(mode="single"), make_person()
    for verdict in ("0", "0", "both_bad"):
        vote(make_task(queue, "x"), user, verdict)

    (found,) = numbers(queue)["standings"]

    assert (found["record"]["wins"], found["record"]["both_bad"]) == (2, 1)
    assert found["rating"] is None and "Answers called good" in text(opened(queue))


def test_other_queues_do_not_count():
    project = make_project()
    queue, user = make_queue(project), make_person()
    vote(pair(make_queue(project)), user, "0")

    assert numbers(queue)["votes"] == 0


@pytest.mark.parametrize(
    ("role", "status"), [("reviewer", 403), ("lead", 200), ("admin", 200), ("", 404)]
)
@pytest.mark.parametrize("path", ["numbers/", "numbers.csv", "numbers.json"])
def test_numbers_are_for_leads(path, role, status):
    queue = make_queue()
    user = make_person(queue.project, role) if role else make_person()
    client = Client()
    client.force_login(user)

    assert client.get(f"/admin/review/{queue.pk}/{path}").status_code == status


def test_the_page_needs_no_style_and_no_script_of_its_own():
    queue, user = make_queue(), make_person()
    vote(pair(queue), user, "0")

    response = opened(queue)
    html = text(response)

    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "<svg" in html and "style=" not in html and "<script" not in html
    assert html.count("<table>") >= html.count("<svg") - 1


def test_names_cannot_break_out_of_the_plot():
    queue, user = make_queue(), make_person()
    vote(pair(queue, "</text><script>alert(1)</script>", "b"), user, "0")

    assert "<script" not in text(opened(queue))


def test_the_csv_has_one_number_a_line_and_no_formulas():
    queue, user = make_queue(), make_person(username="+cmd")
    vote(pair(queue, "=1+1", "b"), user, "0")

    response = opened(queue, "numbers.csv")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))

    assert "attachment" in response["Content-Disposition"]
    names = {row["name"] for row in rows}
    assert {"'=1+1", "b", "'+cmd"} <= names
    (left,) = [row for row in rows if row["measure"] == "left picks"]
    assert (left["value"], left["votes"]) == ("1.0", "1")


def test_the_page_asks_the_database_as_often_for_many_votes(
    django_assert_max_num_queries,
):
    queue, user = make_queue(), make_person()
    for number in range(30):
        vote(pair(queue, f"m{number % 5}", "b"), user, "0")
    assert Review.objects.count() == 30

    with django_assert_max_num_queries(30):
        text(opened(queue))
