"""How long the server needs to lease and render the next review of a big queue."""

import json
import random
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from accounts.models import Project
from bench.options import Options
from bench.report import Report
from curation.models import Candidate, Item, Queue, Review, Task
from curation.models.queue import Order
from vllm_batch.lib.clock import database_now

ITEMS = 100_000
ROUNDS = 60
AT_A_TIME = 5_000
# Tasks that the veteran has reviewed already and that still have a slot for others.
SEEN = 0.3
GOAL_MS = 150
_WORDS = ("light", "turns", "into", "sugar,", "and", "leaves", "are", "green")


def run(options: Options) -> Report:
    """Measure in each order, for a newcomer and for somebody who saw a third of it."""
    count = options.size(ITEMS, 2_000)
    queue = _fill(count)
    report = Report(f"next review of {count:,}")
    for order in Order:
        Queue.objects.filter(pk=queue.pk).update(order=order)
        for name, seen in (("newcomer", 0), ("veteran", int(count * SEEN))):
            client = _reviewer(queue, f"{name} {order}", seen, order)
            _note(report, f"{order}, {name}", _measure(queue, client))
    return report


def _note(report: Report, what: str, times: list[float]) -> None:
    times.sort()
    last = times[int(len(times) * 0.95)]
    detail = f"median {statistics.median(times):.1f} ms, slowest {times[-1]:.1f} ms"
    report.add("R", f"ms, 95 %: {what}", last, at_most=GOAL_MS, detail=detail)


def _measure(queue: Queue, client: Client) -> list[float]:
    """Return the milliseconds of asking for the next, each after a verdict."""
    times: list[float] = []
    for number in range(ROUNDS + 1):
        start = time.perf_counter()
        response = _post(client, f"{queue.pk}/next", besides=[])
        times.append((time.perf_counter() - start) * 1000)
        html = response.content.decode()
        review = html.split('data-review="')[1].split('"')[0]
        _post(
            client,
            f"reviews/{review}/submit",
            version=0,
            mutation_id=f"bench-{review}-{number}",
            outcome="win",
            side=0,
        )
    # The first one also reads templates.
    return times[1:]


def _post(client: Client, path: str, **body: object) -> Any:
    response = client.post(
        f"/admin/review/{path}", json.dumps(body), content_type="application/json"
    )
    assert response.status_code == 200, response.content[:300]
    return response


def _fill(count: int) -> Queue:
    random.seed(1)
    project = Project.objects.create(name=f"bench review {time.time()}")
    queue = Queue.objects.create(project=project, name="big", reviews_required=2)
    numbers = iter(range(count))
    while part := list(islice(numbers, AT_A_TIME)):
        _fill_part(queue, part)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return queue


def _fill_part(queue: Queue, numbers: list[int]) -> None:
    items = Item.objects.bulk_create(
        Item(
            project=queue.project,
            input={"messages": [{"role": "user", "content": _text(60)}]},
            input_hash=f"{number}",
        )
        for number in numbers
    )
    candidates = Candidate.objects.bulk_create(_candidates(queue, items, numbers))
    Task.objects.bulk_create(
        Task(
            queue=queue,
            item=item,
            candidate_ids=[left.pk, right.pk],
            candidates_hash="",
            priority=random.random(),
            random_key=random.random(),
            open_slots=2,
        )
        for item, left, right in zip(
            items, candidates[::2], candidates[1::2], strict=True
        )
    )


def _candidates(
    queue: Queue, items: list[Item], numbers: list[int]
) -> Iterator[Candidate]:
    for item, number in zip(items, numbers, strict=True):
        for side in (0, 1):
            text = f"## Answer\n\n{_text(150)}\n\n- {_text(20)}\n- **{_text(9)}**"
            yield Candidate(
                item=item,
                batch_id=f"bench {queue.pk}",
                line=2 * number + side,
                custom_id=f"{number}",
                model=f"model-{side}",
                parameters_hash="",
                output={"content": text},
                text=text,
                text_hash="",
            )


def _text(words: int) -> str:
    return " ".join(random.choices(_WORDS, k=words))


def _reviewer(queue: Queue, name: str, seen: int, order: str) -> Client:
    user = get_user_model().objects.create_superuser(f"{name} {time.time()}")
    orders = {
        Order.PRIORITY: ("-priority",),
        Order.RANDOM: ("random_key",),
        Order.FIRST_IN: ("pk",),
    }
    ahead = Task.objects.filter(queue=queue, open_slots__gt=0, state="open")
    ahead = ahead.order_by(*orders[Order(order)])
    now = database_now()
    Review.objects.bulk_create(
        (
            Review(
                task_id=pk,
                reviewer=user,
                shown_order=[],
                outcome="skip",
                status="submitted",
                submitted_at=now,
            )
            for pk in ahead.values_list("pk", flat=True)[:seen]
        ),
        batch_size=AT_A_TIME,
    )
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client
