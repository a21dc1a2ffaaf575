"""A lead who corrects prompts, and models that answer the corrected ones."""

import json
from typing import Any

from django.test import Client

from batches.models import BatchJob
from batches.tasks import attend
from curation.models import Queue, Rerun
from tests.batches.ending import content, end
from tests.curation.answered import handled
from tests.curation.review.desk import make_person
from tests.workers.runs import run
from workers.engines.stub import StubEngine


class Lead:
    """A lead of a queue's project, before the page that corrects."""

    def __init__(self, queue: Queue, role: str = "lead") -> None:
        self.queue = queue
        self.user = make_person(queue.project, role)
        self.client = Client()
        self.client.force_login(self.user)

    def url(self, *items: int) -> str:
        """Return the page's address, for these items or the whole queue."""
        address = f"/admin/review/{self.queue.pk}/correct/"
        return f"{address}?items={','.join(map(str, items))}" if items else address

    def get(self, *items: int) -> str:
        """Open the page."""
        response = self.client.get(self.url(*items))
        assert response.status_code == 200, response.content
        return str(response.content.decode())

    def preview(self, *items: int, **fields: Any) -> str:
        """Ask what a correction would run."""
        response = self.client.post(self.url(*items), {"preview": "1", **fields})
        assert response.status_code == 200, response.content
        return " ".join(response.content.decode().split())

    def send(self, *items: int, **fields: Any) -> Any:
        """Send a correction out; return the page that follows."""
        data = {"send": "1", **fields}
        return self.client.post(self.url(*items), data, follow=True)


def requests(batch: BatchJob | None) -> list[dict[str, Any]]:
    """Return the lines of a batch's input file."""
    assert batch is not None
    return [json.loads(one) for one in content(batch.input_file_id).splitlines()]


def answer(*batches: BatchJob | None) -> None:
    """Let the stub engine answer batches, and hand the answers over."""
    for batch in batches:
        assert batch is not None
        attend(batch.pk)
        batch.refresh_from_db()
        assert batch.status == "in_progress", batch.errors
        model = requests(batch)[0]["body"]["model"]
        run(StubEngine(model=model, source="", engine_args={}))
        handled(end(batch))


def answer_all() -> list[Rerun]:
    """Let everything that was sent be answered."""
    reruns = list(Rerun.objects.order_by("pk"))
    answer(*(rerun.batch for rerun in reruns))
    return reruns
