"""Queues, tasks and reviewers for tests, and one who speaks to the page's routes."""

import hashlib
import json
import re
import uuid
from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client

from accounts.models import Membership, Project
from curation.models import Candidate, Item, Queue, Review, Task
from tests.factories import make_project

ROOT = "/admin/review/"
_numbers = count(1)


def make_queue(project: Project | None = None, **fields: Any) -> Queue:
    """Make a blind pair queue, first in first out."""
    defaults = {"name": f"queue {next(_numbers)}", "order": "first_in"}
    return Queue.objects.create(
        project=project or make_project(), **{**defaults, **fields}
    )


def make_task(
    queue: Queue, *texts: str, prompt: Any = "Which?", item: Item | None = None,
    **fields: Any,
) -> Task:  # fmt: skip
    """Make a task with these answers, from models m0, m1 …"""
    number = next(_numbers)
    body = prompt if isinstance(prompt, dict) else {
        "messages": [{"role": "user", "content": prompt}]
    }  # fmt: skip
    item = item or Item.objects.create(
        project=queue.project, input=body, input_hash=f"hash {number}"
    )
    ids = [
        make_candidate(item, text, model=f"secret-model-{index}").pk
        for index, text in enumerate(texts or ("first answer", "second answer"))
    ]
    return Task.objects.create(
        queue=queue,
        item=item,
        candidate_ids=ids,
        candidates_hash=f"hash {number}",
        open_slots=fields.pop("open_slots", queue.reviews_required),
        **fields,
    )


def make_candidate(item: Item, text: str, **fields: Any) -> Candidate:
    """Make an answer."""
    number = next(_numbers)
    return Candidate.objects.create(
        item=item,
        batch_id="batch_test",
        line=number,
        custom_id=f"line-{number}",
        parameters_hash="",
        output={"role": "assistant", "content": text},
        text=text,
        text_hash=hashlib.sha256(text.encode()).hexdigest(),
        **fields,
    )


def make_person(
    project: Project | None = None, role: str = "reviewer", **fields: Any
) -> Any:
    """Make somebody of the staff, a member of the project if one is given."""
    name = fields.pop("username", f"person {next(_numbers)}")
    user = get_user_model().objects.create_user(
        name, password="secret", **{"is_staff": True, **fields}
    )
    if project is not None:
        Membership.objects.create(project=project, user=user, role=role)
    return user


class Desk:
    """A person at a queue, with what they have on the screen."""

    def __init__(self, queue: Queue, user: Any = None, **fields: Any) -> None:
        self.queue = queue
        self.user = user or make_person(queue.project, **fields)
        self.client = Client()
        self.client.force_login(self.user)
        self.html = ""

    def post(self, path: str, **body: Any) -> Any:
        """Send JSON to a route below the pages' root."""
        return self.client.post(
            ROOT + path, json.dumps(body), content_type="application/json"
        )

    def get(self, path: str) -> Any:
        """Open a route below the pages' root."""
        return self.client.get(ROOT + path)

    def next(self, *besides: int) -> Any:
        """Take the next review; None if there is none."""
        response = self.post(f"{self.queue.pk}/next", besides=list(besides))
        assert response.status_code == 200, response.content
        self.html = response.content.decode()
        found = re.search(r'data-review="(\d+)"', self.html)
        return Review.objects.get(pk=found[1]) if found else None

    def draft(self, review: Review, **body: Any) -> Any:
        """Save what is written so far."""
        return self.post(f"reviews/{review.pk}/draft", **self._save(review, body))

    def submit(self, review: Review, outcome: str = "win", **body: Any) -> Any:
        """Give the verdict; for the left one unless told otherwise."""
        body = {"outcome": outcome, "side": 0, **body}
        return self.post(f"reviews/{review.pk}/submit", **self._save(review, body))

    def undo(self, review: Review, mutation_id: str = "") -> Any:
        """Take a decision back."""
        mutation_id = mutation_id or uuid.uuid4().hex
        return self.post(f"reviews/{review.pk}/undo", mutation_id=mutation_id)

    def judge(self, outcome: str = "win", **body: Any) -> Any:
        """Take the next review and give the verdict; return the review."""
        review = self.next()
        assert review is not None
        response = self.submit(review, outcome, **body)
        assert response.status_code == 200, response.content
        review.refresh_from_db()
        return review

    def vote_for(self, candidate_id: int, **body: Any) -> Any:
        """Take the next review and vote for this answer, on whichever side it is."""
        review = self.next()
        assert review is not None
        side = review.shown_order.index(candidate_id)
        assert self.submit(review, side=side, **body).status_code == 200
        review.refresh_from_db()
        return review

    def _save(self, review: Review, body: dict[str, Any]) -> dict[str, Any]:
        return {"version": review.version, "mutation_id": uuid.uuid4().hex, **body}
