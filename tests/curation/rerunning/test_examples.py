"""What before-and-after votes are worth for training sets."""

import pytest

from tests.curation.datasets.reviewed import freeze, permit, won
from tests.curation.numbers.votes import corrected
from tests.curation.review.desk import Desk, make_queue

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["sft", "dpo", "kto"])
@pytest.mark.parametrize("winner", [0, 1])
def test_an_answer_to_another_prompt_is_no_example(kind, winner):
    permit()
    queue = make_queue()
    desk = Desk(queue)
    won(desk)
    task = corrected(queue)
    queue.tasks.exclude(pk=task.pk).filter(state="open").update(state="void")
    desk.vote_for(task.candidate_ids[winner])

    version = freeze(queue, kind)

    shown = str([member.payload for member in version.members.all()])
    assert "'old'" not in shown
    assert ("'new'" in shown) == (kind == "kto" or (kind == "sft" and winner == 1))
