"""Check an upload in the order OpenAI does: the first failure wins (contract 3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from files.incoming import IncomingFile
from files.models import UPLOAD_PURPOSES, Purpose
from vllm_batch.lib.conf import conf
from vllm_batch.lib.errors import InvalidRequest
from vllm_batch.lib.parameters import (
    missing,
    read_expiry,
    read_integer,
    refuse_unknown,
)

_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"


@dataclass(frozen=True)
class UploadForm:
    """The form fields of an upload, checked."""

    purpose: Purpose
    expires_seconds: int | None


def check_upload(fields: Mapping[str, str], files: Mapping[str, Any]) -> UploadForm:
    """Return the checked form; raises InvalidRequest."""
    incoming = files.get("file")
    if not isinstance(incoming, IncomingFile):
        raise missing("file")
    purpose = _purpose(fields)
    seconds = _expires_seconds(fields)
    refuse_unknown(fields, {"purpose", _ANCHOR, _SECONDS})
    refuse_unknown(files, {"file"})
    if purpose == Purpose.BATCH:
        _check_batch_file(incoming)
    return UploadForm(purpose, seconds)


def _purpose(fields: Mapping[str, str]) -> Purpose:
    if "purpose" not in fields:
        raise InvalidRequest(
            "Missing required parameter: 'purpose' is a required property.",
            param="purpose",
            code="missing_required_parameter",
        )
    purpose = fields["purpose"]
    if purpose not in UPLOAD_PURPOSES:
        shown = purpose[:100].encode(errors="replace").decode()
        raise InvalidRequest(
            f"'{shown}' is not one of {list(UPLOAD_PURPOSES)} - 'purpose'",
            param="purpose",
        )
    return Purpose(purpose)


def _expires_seconds(fields: Mapping[str, str]) -> int | None:
    policy: dict[str, Any] = {}
    if _ANCHOR in fields:
        policy["anchor"] = fields[_ANCHOR]
    if _SECONDS in fields:
        policy["seconds"] = read_integer(fields[_SECONDS], "expires_after.seconds")
    return read_expiry(policy, "expires_after") if policy else None


def _check_batch_file(incoming: IncomingFile) -> None:
    if incoming.size > conf().BATCH_MAX_BYTES:
        raise InvalidRequest("File is too large.")
    # A name without an extension is fine: clients that upload bytes send one (R6).
    if PurePosixPath(incoming.name).suffix.lower() not in ("", ".jsonl"):
        raise InvalidRequest("Invalid file format for Batch API. Must be .jsonl")
    if not incoming.is_utf8:
        raise InvalidRequest("Invalid file for Batch API. Must be utf-8 encoded")
