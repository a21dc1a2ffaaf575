"""Decide whether a batch file is valid: every fault, in line order (contract 6).

Nothing here touches a database or a file. A good line costs two typed msgspec passes
(the body stays `Raw`, so the engine gets the client's own bytes); only a bad line is
looked at again, key by key, to name its faults.
"""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batches import faults
from batches.counting import estimate_enqueued
from batches.faults import CHAT, Fault
from batches.limits import LimitedBody, limit_faults
from batches.offers import Catalog
from batches.seen import SeenTexts
from vllm_batch.lib.jsonl import Line, is_deeper_than

EMBEDDINGS = "/v1/embeddings"
DEEPEST = 200


class BatchRequestInput(Struct):
    """One line of a batch file; unknown keys beside these are ignored (R41)."""

    custom_id: str
    method: str
    url: str
    body: Raw


class RequestBody(LimitedBody, kw_only=True):
    """The keys of a request body that decide whether the batch may run."""

    model: str
    messages: Raw | UnsetType = UNSET
    stream: bool | None = None
    input: Raw | UnsetType = UNSET


_line_decoder = msgspec.json.Decoder(BatchRequestInput)
_body_decoder = msgspec.json.Decoder(RequestBody)
_object_decoder = msgspec.json.Decoder(dict[str, Raw])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class LineValidator:
    """Checks the lines of one batch in order and remembers what later lines need."""

    def __init__(
        self,
        endpoint: str,
        catalog: Catalog,
        *,
        allow_mixed_models: bool,
        max_line_bytes: int,
    ) -> None:
        self.endpoint = endpoint
        self.models: dict[str, None] = {}
        self.embedding_inputs = 0
        # An estimate: input and longest answers of all valid lines.
        self.enqueued_tokens = 0
        self._catalog = catalog
        self._allow_mixed_models = allow_mixed_models
        self._max_line_bytes = max_line_bytes
        self._custom_ids = SeenTexts()

    def check(self, line: Line) -> tuple[str, list[Fault]]:
        """Return the line's model and its faults; no faults means it can run."""
        try:
            request = _line_decoder.decode(line.content)
            body = _body_decoder.decode(request.body)
        except _UNREADABLE:
            return "", self._faults_of_unreadable(line)
        if self._is_too_long(line):
            return "", [self._too_long(line)]
        if is_deeper_than(line.content, DEEPEST):
            return "", [faults.too_deep(DEEPEST, line.number)]
        found = [
            *self._request_faults(request, line.number),
            *self._body_faults(body, line.number),
            *self._limit_faults(body, line),
        ]
        if not found:
            self.enqueued_tokens += estimate_enqueued(
                self.endpoint, bytes(request.body), body
            )
        return body.model, found

    def _request_faults(self, request: BatchRequestInput, number: int) -> list[Fault]:
        found = []
        custom_id = request.custom_id
        if not custom_id or "\0" in custom_id:
            found.append(faults.bad_custom_id(number))
        elif self._custom_ids.add(custom_id):
            found.append(faults.duplicate(custom_id, number))
        if request.method != "POST":
            found.append(faults.bad_method(request.method, number))
        if request.url != self.endpoint:
            found.append(faults.bad_url(number))
        return found

    def _body_faults(self, body: RequestBody, number: int) -> list[Fault]:
        found = [*self._model_faults(body.model, number)]
        if self.endpoint == CHAT and _is_absent(body.messages):
            found.append(faults.required("messages", number))
        if body.stream:
            found.append(faults.streaming(self.endpoint, number))
        if self.endpoint == EMBEDDINGS and not isinstance(body.input, UnsetType):
            self.embedding_inputs += _count_inputs(body.input)
        return found

    def _model_faults(self, model: str, number: int) -> list[Fault]:
        if not model:
            return [faults.required("model", number)]
        offer = self._catalog.get(model)
        if offer is None or not offer.serves(self.endpoint):
            why = f" for {self.endpoint}" if offer else ""
            text = f"The provided model '{model}' is not supported by the Batch API"
            return [Fault("model_not_found", f"{text}{why}.", number, "body.model")]
        if self.models and model not in self.models and not self._allow_mixed_models:
            return [faults.mismatched(model, number)]
        self.models[model] = None
        return []

    def _limit_faults(self, body: RequestBody, line: Line) -> list[Fault]:
        offer = self._catalog.get(body.model)
        if offer is None:
            return []
        return limit_faults(body, line.content, offer.limits, line.number)

    def _is_too_long(self, line: Line) -> bool:
        return line.is_cut or len(line.content) > self._max_line_bytes

    def _too_long(self, line: Line) -> Fault:
        return Fault(
            "invalid_request",
            f"This line is longer than {self._max_line_bytes} bytes. Send a smaller"
            " request, or raise BATCH_MAX_LINE_BYTES on the server.",
            line.number,
        )

    def _faults_of_unreadable(self, line: Line) -> list[Fault]:
        if self._is_too_long(line):
            return [self._too_long(line)]
        if is_deeper_than(line.content, DEEPEST):
            return [faults.too_deep(DEEPEST, line.number)]
        try:
            keys = _object_decoder.decode(line.content)
        except _UNREADABLE:
            return [
                Fault(
                    "invalid_json_line",
                    "This line is not parseable as valid JSON.",
                    line.number,
                )
            ]
        return self._faults_by_key(keys, line.number)

    def _faults_by_key(self, keys: dict[str, Raw], number: int) -> list[Fault]:
        """Name the faults of an object with missing or mistyped keys."""
        values: dict[str, str] = {}
        found = []
        for key in ("custom_id", "method", "url"):
            value = _text(keys.get(key))
            if isinstance(value, str):
                values[key] = value
            elif key not in keys:
                found.append(faults.missing_key(key, number))
            else:
                found.append(faults.wrong_type(key, "a string", keys[key], number))
        request = BatchRequestInput(
            values.get("custom_id", f"\x01line {number}"),
            values.get("method", "POST"),
            values.get("url", self.endpoint),
            Raw(b"{}"),
        )
        found += self._request_faults(request, number)
        if "body" not in keys:
            return [*found, faults.missing_key("body", number)]
        return found + self._faults_of_body(keys["body"], number)

    def _faults_of_body(self, raw: Raw, number: int) -> list[Fault]:
        try:
            keys = _object_decoder.decode(raw)
        except _UNREADABLE:
            return [faults.wrong_type("body", "an object", raw, number)]
        found = []
        model = _text(keys.get("model"))
        if model is None and not _is_absent(keys.get("model", UNSET)):
            wrong = faults.wrong_type("body.model", "a string", keys["model"], number)
            found.append(wrong)
        else:
            found += self._model_faults(model or "", number)
        if self.endpoint == CHAT and _is_absent(keys.get("messages", UNSET)):
            found.append(faults.required("messages", number))
        if _as_bytes(keys.get("stream", Raw(b"null"))) not in (b"null", b"false"):
            found.append(faults.streaming(self.endpoint, number))
        return found


def _as_bytes(raw: Raw) -> bytes:
    return bytes(raw).strip()


def _is_absent(value: Raw | UnsetType) -> bool:
    return isinstance(value, UnsetType) or _as_bytes(value) == b"null"


def _text(raw: Raw | None) -> str | None:
    """Return the JSON string, or None for anything else."""
    try:
        return None if raw is None else msgspec.json.decode(raw, type=str)
    except _UNREADABLE:
        return None


def _count_inputs(raw: Raw) -> int:
    """Count the texts of an embeddings `input`: a list of token ids is one text."""
    try:
        items = msgspec.json.decode(raw, type=list[Raw])
    except _UNREADABLE:
        return 1
    if items and bytes(items[0])[:1] in (b'"', b"["):
        return len(items)
    return 1
