"""Whose lines come first inside one model's time: seen by the engine of a slot."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings

from accounts.models import Project
from tests.factories import lines, make_model, make_project, make_running_batch
from tests.workers.runs import end
from workers.engines.base import Answer
from workers.engines.stub import StubEngine
from workers.running import feeding
from workers.slots import slot as slot_module
from workers.slots.slot import Slot

pytestmark = pytest.mark.django_db(transaction=True)
order: list[str] = []


class Noted(StubEngine):
    """A stub engine that notes whose line it answers."""

    async def post(self, url: str, body: bytes) -> Answer:
        """Answer."""
        order.append(body.partition(b"ECHO ")[2][:1].decode())
        return await super().post(url, body)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, configure: Any, settings: Any) -> None:
    order.clear()
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(feeding, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(slot_module, "LOOK_SECONDS", 0.01)
    configure(WORKER_SEGMENT_SECONDS=0.02, WORKER_WINDOW=2, BATCH_CHUNK_LINES=64)
    settings.ENGINES = {**django_settings.ENGINES, "noted": f"{__name__}.Noted"}
    make_model("stub", engine="noted")


@pytest.fixture
def slot() -> Iterator[Slot]:
    slot = Slot("gpu7")
    yield slot
    slot.close()


def batch(project: Project, letter: str, count: int, **fields: Any) -> Any:
    items = lines(count, f"ECHO {letter}")
    return make_running_batch(*items, project=project, **fields)


def end_of(letter: str) -> int:
    """Return when the last line of a batch was answered, in lines of all."""
    return len(order) - order[::-1].index(letter)


def test_projects_share_by_weight(slot):
    light, heavy = make_project(), make_project()
    Project.objects.filter(pk=heavy.pk).update(weight=3)
    batch(light, "a", 240)
    batch(heavy, "b", 240)

    slot.serve()

    part = order[32:272]
    assert 2.4 <= part.count("b") / part.count("a") <= 3.6


def test_ten_lines_of_another_project_get_in_while_many_batches_are_open(slot):
    crowd = make_project()
    for _ in range(feeding.MOST_SOURCES + 4):
        batch(crowd, "a", 100)
    small = batch(make_project(), "b", 10)

    slot.serve()

    assert end_of("b") < 100
    assert end(small).status == "completed"


def test_ten_lines_behind_many_of_the_same_project_take_turns(slot):
    project = make_project()
    batch(project, "a", 300)
    batch(project, "b", 10)

    slot.serve()

    assert end_of("b") < 100


def test_a_priority_orders_within_a_project_only(slot):
    one, other = make_project(), make_project()
    batch(one, "a", 100)
    batch(one, "b", 100, priority=5)
    batch(other, "c", 100)

    slot.serve()

    assert end_of("b") < end_of("a")
    assert order[: end_of("b")].count("c") >= 60


def test_more_projects_than_may_be_open_all_end(slot, monkeypatch):
    monkeypatch.setattr(feeding, "MOST_PROJECTS", 3)
    monkeypatch.setattr(feeding, "MOST_SOURCES", 2)
    large = batch(make_project(), "a", 400)
    small = [batch(make_project(), "b", 10) for _ in range(6)]

    slot.serve()

    assert end_of("b") < 300
    assert {end(one).status for one in [large, *small]} == {"completed"}
