"""Dry runs of the tiny model, and what transformers counts in a chat."""

from typing import Any

from batches.models import BatchJob
from batches.tasks import attend
from tests.factories import CHAT, line, make_batch

COMPLETIONS, RESPONSES = "/v1/completions", "/v1/responses"
STRICT = "{{ raise_exception('roles must alternate') }}"


def tiny(custom_id: str = "a", content: str = "def main():", **details: Any) -> Any:
    return line(custom_id, content, model="tiny", **details)


def attended(*items: Any, **fields: Any) -> BatchJob:
    batch = make_batch(*items, **fields)
    attend(batch.pk)
    batch.refresh_from_db()
    return batch


def report(*items: Any, endpoint: str = CHAT) -> dict[str, Any]:
    batch = attended(*items, endpoint=endpoint, is_dry_run=True)
    assert batch.status == "completed", batch.errors
    assert batch.preflight is not None
    found: dict[str, Any] = batch.preflight
    return found


def of_chat(reference: Any, messages: list[Any], **options: Any) -> int:
    """Return what transformers says of a chat."""
    ids = reference.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False, **options
    )
    return len(ids)


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]
