"""The remote project of a queue: find or make it, and hold it while pushing."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from curation.label_studio.client import LabelStudio
from curation.label_studio.errors import Busy
from curation.label_studio.labelling import config_hash, labelling_config
from curation.models import LabelStudioProject
from curation.models.queue import Mode, Queue
from vllm_batch.lib.clock import database_now

# Longer than one request may take (client.py), and renewed before each.
LEASE_SECONDS = 600
LONGEST_TITLE = 50


def row_of(queue: Queue, url: str) -> LabelStudioProject:
    """Return the row of a queue's project on that server, made if it is not there."""
    row, _ = LabelStudioProject.objects.get_or_create(
        queue=queue, url=url, config_hash=config_hash(queue.mode)
    )
    return row


@contextmanager
def held(row: LabelStudioProject) -> Iterator[str]:
    """Be the only one who pushes to the project; raises Busy if another one does."""
    fence = secrets.token_hex(16)
    free = Q(push_lease="") | Q(push_lease_expires_at__lt=database_now())
    ours = LabelStudioProject.objects.filter(pk=row.pk)
    if not _take(ours.filter(free), fence):
        raise Busy(f"Another process pushes the queue {row.queue} at the moment.")
    try:
        row.refresh_from_db()
        yield fence
    finally:
        ours.filter(push_lease=fence).update(push_lease="")


def renew(row: LabelStudioProject, fence: str) -> None:
    """Keep the project for another request; raises Busy if it was lost."""
    if not _take(LabelStudioProject.objects.filter(pk=row.pk, push_lease=fence), fence):
        raise Busy(f"Another process took over pushing the queue {row.queue}.")


def _take(rows: QuerySet[LabelStudioProject], fence: str) -> bool:
    ends_at = Now() + timedelta(seconds=LEASE_SECONDS)
    return rows.update(push_lease=fence, push_lease_expires_at=ends_at) == 1


def ensure(client: LabelStudio, row: LabelStudioProject) -> None:
    """Find or make the remote project, and bring its settings up to date."""
    fields = _fields(row.queue)
    digest = sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    if row.remote_id is None:
        marker = _marker(row)
        title = _title(row.queue)
        # Made before a crash, it is found by what stands in its description.
        found = client.find_project(title, marker)
        row.is_import_open = found is not None
        if found is None:
            config = {"label_config": labelling_config(row.queue.mode)}
            first = {"title": title, "description": marker, **config, **fields}
            found = client.create_project(first)
            row.settings_hash = digest
        row.remote_id = int(found["id"])
        row.save(update_fields=["remote_id", "is_import_open", "settings_hash"])
    if row.settings_hash != digest:
        client.update_project(row.remote_id, fields)
        row.settings_hash = digest
        row.save(update_fields=["settings_hash"])


def _fields(queue: Queue) -> dict[str, Any]:
    """Return the settings that may change while people annotate."""
    fields: dict[str, Any] = {
        "maximum_annotations": queue.reviews_required,
        "expert_instruction": queue.instructions,
        "show_instruction": bool(queue.instructions),
        "show_collab_predictions": True,
    }
    if queue.mode == Mode.SINGLE and queue.is_blind:
        # Pre-fills the correction with the one answer.
        fields["model_version"] = "Answer A"
    return fields


def _title(queue: Queue) -> str:
    end = f" #{queue.pk}"
    return queue.name[: LONGEST_TITLE - len(end)] + end


def _marker(row: LabelStudioProject) -> str:
    """Return what no other installation or configuration writes into a project."""
    parts = f"{row.queue_id}:{row.queue.created_at.isoformat()}:{row.config_hash}"
    return f"vllm-batch:{salted_hmac('label studio', parts).hexdigest()[:32]}"
