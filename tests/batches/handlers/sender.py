"""A process of its own whose memory is measured: `test_memory.py` starts it.

    python -m tests.batches.handlers.sender results COUNT
    python -m tests.batches.handlers.sender webhooks GOOD_URL HANGING_URL BAD_URL …

It makes a database in DATA_DIR, does a little of the work, then all of it, and prints
as JSON what came of it and by how many bytes its memory grew in between.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command

from batches.handlers.base import BatchMetadata, ResultHandler, Results

GOOD_ENDPOINTS, WARM_ENDPOINTS, WARM_RESULTS = 100, 8, 500
ANSWER = "x" * 2000


class Reader(ResultHandler):
    """Reads all results, and reads them again."""

    name = "reader"
    seen = 0

    def handle(self, batch_id: str, results: Results, metadata: BatchMetadata) -> bool:
        for _ in range(2):
            Reader.seen += sum(len(result.text or "") > 0 for result in results)
        return True


def main(kind: str, *arguments: str) -> None:
    """Do it and print what came of it."""
    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    settings.RESULT_HANDLERS = [f"{__name__}.Reader"]
    call_command("migrate", run_syncdb=True, verbosity=0)
    report = read_results(*arguments) if kind == "results" else send(*arguments)
    print(json.dumps(report))


def start_measuring() -> int:
    """Forget the peak there was; return the bytes that are in memory now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Return the most bytes that were in memory since then."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def read_results(count: str) -> dict[str, Any]:
    """Run a handler over a small batch and over a large one."""
    from batches.handlers.running import run_next

    make_ended(WARM_RESULTS)
    assert run_next("reader")
    batch = make_ended(int(count))
    before = start_measuring()
    assert run_next("reader")
    return {"seen": Reader.seen, "grown": peak() - before, "bytes": batch}


def make_ended(count: int) -> int:
    """Make a batch with so many results, and its run; return its file's size."""
    from batches.models import BatchJob, HandlerRun
    from tests.factories import make_batch

    batch = make_batch(status="in_progress")
    file = store_output(batch.project, count)
    fields = {"status": "completed", "completed_at": batch.created_at}
    rows = BatchJob.objects.filter(pk=batch.pk)
    rows.update(**fields, output_file_id=file.pk, total=count, completed=count)
    HandlerRun.objects.create(batch=batch, handler=Reader.name)
    return int(file.bytes)


def store_output(project: Any, count: int) -> Any:
    """Store an output file, line by line."""
    from files.actions import prepare_file
    from files.models import Purpose
    from files.stores import new_file
    from vllm_batch.lib.clock import database_now

    with new_file() as output:
        output.writelines(records(count))
        file = prepare_file(
            project,
            output,
            filename="out.jsonl",
            purpose=Purpose.BATCH_OUTPUT,
            created_at=database_now(),
            expires_at=None,
        )
    file.save(force_insert=True)
    return file


def records(count: int) -> Iterator[bytes]:
    """Yield records of answered lines, two kilobytes each."""
    for number in range(count):
        body = {"choices": [{"message": {"content": f"{number} {ANSWER}"}}]}
        response = {"status_code": 200, "request_id": "req_1", "body": body}
        record = {"id": f"batch_req_{number}", "custom_id": f"l{number}"}
        yield json.dumps({**record, "response": response, "error": None}).encode()
        yield b"\n"


def send(good: str, hanging: str, *bad: str) -> dict[str, Any]:
    """Send to good receivers while bad ones do their worst; one of them hangs."""
    from batches.models import WebhookDelivery

    make_deliveries([good] * WARM_ENDPOINTS)
    run_lanes_until(lambda: not left(good))
    before = start_measuring()
    make_deliveries([hanging, *bad, *[good] * GOOD_ENDPOINTS])
    others = WebhookDelivery.objects.exclude(endpoint__url__in=[good, hanging])
    run_lanes_until(lambda: not left(good) and not others.filter(attempts=0).exists())
    run_lanes_until(lambda: not others.filter(status="running").exists())
    rows = WebhookDelivery.objects.exclude(endpoint__url=good)
    found = rows.values_list("endpoint__url", "status", "attempts")
    return {"bad": {url: rest for url, *rest in found}, "grown": peak() - before}


def left(url: str) -> int:
    """Return how many deliveries to a receiver have not succeeded."""
    from batches.models import WebhookDelivery

    rows = WebhookDelivery.objects.filter(endpoint__url=url)
    return rows.exclude(status="succeeded").count()


def make_deliveries(urls: list[str]) -> None:
    """Make an endpoint and a delivery for each URL."""
    from batches.handlers.webhook.signing import new_secret
    from batches.models import WebhookDelivery, WebhookEndpoint
    from tests.factories import make_batch
    from vllm_batch.lib.ids import new_id

    batch = make_batch(status="completed")
    for url in urls:
        endpoint = WebhookEndpoint.objects.create(
            project=batch.project, name="ours", url=url, event_types=[],
            secret=new_secret(), created_at=batch.created_at,
            updated_at=batch.created_at,
        )  # fmt: skip
        WebhookDelivery.objects.create(
            endpoint=endpoint, batch=batch, webhook_id=new_id("wh_"),
            event_type="batch.completed", body="{}",
        )  # fmt: skip


def run_lanes_until(condition: Any) -> None:
    """Open lanes again and again, as the sweeper lets the ops queue do."""
    from batches.handlers.lanes import open_lanes

    ends_at = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < ends_at, "it takes too long"
        open_lanes()
        time.sleep(0.1)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "vllm_batch.settings"
    django.setup()
    main(*sys.argv[1:])
