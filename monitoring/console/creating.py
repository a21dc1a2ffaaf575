"""Make a batch from the browser: store the file, look at it, then run it.

A dry run is the draft of a batch: it holds the file and all that was chosen, so what
runs is what was looked at.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import IO, Any

from accounts.models import Project
from batches import actions
from batches.models import BatchJob
from batches.offers import find_offers
from batches.order_extension import KEY
from batches.orders import BatchOrder
from batches.parameters import read_order
from batches.repeating import order_of
from curation.comparing import with_model
from curation.exceptions import CurationError
from curation.making_batches import kept, write_input
from files.actions import receive
from files.incoming import IncomingFile
from files.models import File, Purpose
from files.parameters import check_upload
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import Conflict, InvalidRequest
from vllm_batch.lib.jsonl import read_lines

# Stands for the file until it is stored: what was chosen is checked first.
_PENDING = "file-pending"
USUAL_CANARY_LINES = 20


def read_form(fields: Mapping[str, str]) -> BatchOrder:
    """Return what the form orders, as a dry run; raises InvalidRequest."""
    extension: dict[str, Any] = {
        "dry_run": True,
        "priority": _whole(fields.get("priority") or "0", "priority"),
    }
    if fields.get("canary"):
        lines = fields.get("canary_lines") or str(USUAL_CANARY_LINES)
        extension["canary"] = {"lines": _whole(lines, "canary_lines")}
    order: dict[str, Any] = {
        "input_file_id": _PENDING,
        "endpoint": fields.get("endpoint", ""),
        "completion_window": fields.get("completion_window", ""),
        KEY: extension,
    }
    if title := fields.get("title", "").strip():
        order["metadata"] = {"title": title}
    return read_order(order)


def _whole(text: str, param: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 9):
        raise InvalidRequest(f"'{param}' is a whole number.", param=param)
    return int(text)


def draft(
    project: Project, fields: Mapping[str, str], files: Mapping[str, Any]
) -> BatchJob:
    """Store the upload and look at its lines; returns the dry run.

    With a `model`, each line that can be read is made to name that one. Raises an
    ApiError.
    """
    order = read_form(fields)
    model = fields.get("model", "")
    if model and model not in find_offers():
        raise InvalidRequest(f"There is no model '{model[:200]}'.", param="model")
    form = check_upload({"purpose": Purpose.BATCH.value}, files)
    incoming: IncomingFile = files["file"]
    if model:
        file = _with_model(project, incoming, model)
    else:
        file = receive(project, form, incoming)
    return actions.create(project, replace(order, input_file_id=file.pk))


def _with_model(project: Project, incoming: IncomingFile, model: str) -> File:
    def write(target: IO[bytes]) -> int:
        count = 0
        with incoming.content.reopen() as source:
            for line in read_lines(source, conf().BATCH_MAX_LINE_BYTES):
                target.write(with_model(line.content, model) + b"\n")
                count += 1
        return count

    try:
        file = write_input(project, incoming.name, write)
    except CurationError as error:
        raise InvalidRequest(str(error), param="file") from error
    with kept([file]):
        file.save(force_insert=True)
    return file


def run(drafted: BatchJob) -> BatchJob:
    """Make the batch that a dry run was the draft of; twice is once."""
    if not drafted.is_dry_run or drafted.status != "completed":
        raise Conflict("Only a check that ended well can be run.")
    return actions.create(drafted.project, order_of(drafted), f"console-{drafted.pk}")
