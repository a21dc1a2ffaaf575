"""The lines of output and error files (contract 7.1, 7.2, 7.4)."""

import json

from batches.outcomes import Outcome
from vllm_batch.lib.ids import derived_id
from vllm_batch.lib.jsonl import one_line


def answered(
    batch_id: str, number: int, custom_id: bytes, request_id: str, outcome: Outcome
) -> bytes:
    """Return the record of a line that an engine answered, newline included.

    `custom_id` is the client's own JSON string, echoed byte for byte.
    """
    return (
        b'{"id":"%b","custom_id":%b,"response":{"status_code":%d,"request_id":"%b","body":%b},"error":null}\n'
        % (  # noqa: E501
            derived_id("batch_req_", batch_id, number).encode(),
            one_line(custom_id),
            outcome.status,
            request_id.encode(),
            outcome.body,
        )
    )


NOT_EXECUTED = {
    "batch_expired": "This request could not be executed before the completion window"
    " expired.",
    "batch_cancelled": "This request was not executed because the batch was cancelled.",
}


def unexecuted(batch_id: str, number: int, custom_id: bytes, code: str) -> bytes:
    """Return the record of a line that was never run (contract 7.2)."""
    return b'{"id":"%b","custom_id":%b,"response":null,"error":%b}\n' % (
        derived_id("batch_req_", batch_id, number).encode(),
        one_line(custom_id),
        json.dumps({"code": code, "message": NOT_EXECUTED[code]}).encode(),
    )
