"""Look at a batch file that is not uploaded."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from batches.endpoints import ENDPOINTS
from batches.faults import Fault
from batches.ingest import make_validator, read
from batches.models import BatchJob
from batches.offers import Offer, find_offers
from batches.preflight import make_preflight
from batches.validation import BatchRequestInput, LineValidator
from vllm_batch.lib.conf import conf
from vllm_batch.lib.jsonl import read_lines

SHOWN_FAULTS = 20
_decoder = msgspec.json.Decoder(BatchRequestInput)


class InvalidFile(Exception):
    """A file that no batch would run; str() lists its first faults."""


class _OneModel(Mapping[str, Offer]):
    """A catalog in which every name stands for one model."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def __getitem__(self, name: str) -> Offer:
        return self._offer

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def look_at(path: Path, model: str | None = None) -> dict[str, Any]:
    """Return a file's report; with `model`, as if all lines named that one.

    Raises InvalidFile, and OSError if it cannot be read.
    """
    with path.open("rb") as stream:
        endpoint = _endpoint(stream)
        stream.seek(0)
        preflight = make_preflight(endpoint, is_strict=False, model=model)
        readers = (_validator(endpoint, model), preflight)
        _, found = read(BatchJob(endpoint=endpoint), stream, readers, lambda: None)
    if found:
        raise InvalidFile(_in_words(found))
    return preflight.report()


def _validator(endpoint: str, model: str | None) -> LineValidator:
    if model is None:
        return make_validator(endpoint)
    if (offer := find_offers().get(model)) is None:
        raise InvalidFile(f"There is no served model '{model}', or it is not enabled.")
    return LineValidator(
        endpoint,
        _OneModel(offer),
        allow_mixed_models=True,
        max_line_bytes=conf().BATCH_MAX_LINE_BYTES,
    )


def _endpoint(stream: IO[bytes]) -> str:
    """Return the endpoint that the first request names, as its batch would."""
    for line in read_lines(stream, conf().BATCH_MAX_LINE_BYTES):
        if line.is_blank:
            continue
        try:
            url = _decoder.decode(line.content).url
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            break
        if url in ENDPOINTS:
            return url
        break
    return ENDPOINTS[0]


def _in_words(found: list[Fault]) -> str:
    shown = [_of(fault) for fault in found[:SHOWN_FAULTS]]
    if len(found) > SHOWN_FAULTS:
        shown.append(f"… and {len(found) - SHOWN_FAULTS} more")
    return "No batch would run this file:\n" + "\n".join(shown)


def _of(fault: Fault) -> str:
    where = "" if fault.line is None else f"line {fault.line}: "
    return f"{where}{fault.code}: {fault.message}"
