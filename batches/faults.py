"""The faults a batch file can have, in OpenAI's words (contract 6.3)."""

from typing import Any, NamedTuple

from msgspec import Raw

CHAT = "/v1/chat/completions"


class Fault(NamedTuple):
    """One entry of a failed batch's `errors.data`."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def as_error(self) -> dict[str, Any]:
        """Return the entry as it stands in the batch object."""
        return {
            "code": self.code,
            "line": self.line,
            # It quotes the file, and PostgreSQL's jsonb holds no U+0000.
            "message": self.message.replace("\0", "\ufffd"),
            "param": self.param,
        }


def missing_file(file_id: str, project: str) -> Fault:
    """Return the fault of a batch whose input is not there (contract 5.3)."""
    return Fault(
        "invalid_request",
        f"Cannot find file {file_id}, or organization {project} does not have access"
        " to it.",
        param="file_id",
    )


EMPTY_FILE = Fault(
    "empty_file",
    "The input file is empty. Please ensure that the batch contains at least one"
    " request.",
)

_JSON_TYPES = {
    ord('"'): "a string",
    ord("{"): "an object",
    ord("["): "an array",
    ord("t"): "a boolean",
    ord("f"): "a boolean",
    ord("n"): "null",
}


def wrong_type(key: str, expected: str, raw: Raw, number: int) -> Fault:
    """Return the fault of a key with another JSON type than its own."""
    got = _JSON_TYPES.get(bytes(raw).strip()[0], "a number")
    text = f"Invalid type for '{key}': expected {expected}, but got {got} instead."
    return Fault("invalid_type", text, number, key)


def missing_key(key: str, number: int) -> Fault:
    """Return the fault of a line without one of its four keys."""
    text = f"Missing required parameter: '{key}'."
    return Fault("missing_required_parameter", text, number, key)


def required(key: str, number: int) -> Fault:
    """Return the fault of a body without a key its endpoint needs."""
    text = f"{key.capitalize()} parameter is required."
    return Fault("invalid_request", text, number, f"body.{key}")


def bad_custom_id(number: int) -> Fault:
    """Return the fault of a custom_id nothing could be matched by."""
    text = "The custom_id must be a non-empty string without the character U+0000."
    return Fault("invalid_value", text, number, "custom_id")


def duplicate(custom_id: str, number: int) -> Fault:
    """Return the fault of a custom_id that an earlier line has."""
    return Fault(
        "duplicate_custom_id",
        f"The custom_id '{custom_id[:100]}' for this request is a duplicate of another"
        " request. The custom_id parameter must be unique for each request in a batch.",
        number,
        "custom_id",
    )


def bad_method(method: str, number: int) -> Fault:
    """Return the fault of a method other than POST."""
    text = f"Invalid value: '{method[:20]}'. Supported values are: 'POST'."
    return Fault("invalid_request", text, number, "method")


def bad_url(number: int) -> Fault:
    """Return the fault of a url that is not the batch's endpoint."""
    text = "The URL provided for this request does not match the batch endpoint."
    return Fault("invalid_url", text, number, "url")


_STREAMING_NAMES = {
    CHAT: "Chat Completions",
    "/v1/completions": "Completions",
    "/v1/responses": "Responses",
}


def streaming(endpoint: str, number: int) -> Fault:
    """Return the fault of a request that asks for a stream."""
    name = _STREAMING_NAMES.get(endpoint, endpoint)
    text = f"{name}: Streaming is not supported in the Batch API."
    return Fault("streaming_unsupported", text, number, "body.stream")


def too_deep(limit: int, number: int) -> Fault:
    """Return the fault of a line nested deeper than parsers can be trusted with."""
    text = f"This line is nested deeper than {limit} levels. Send a flatter request."
    return Fault("invalid_json_line", text, number)


def mismatched(model: str, number: int) -> Fault:
    """Return the fault of a second model in a batch of one."""
    return Fault(
        "mismatched_model",
        f"The model '{model[:100]}' for this request does not match the rest of the"
        " batch. Each batch must contain requests for a single model.",
        number,
        "body.model",
    )


def too_many_requests(limit: int) -> Fault:
    """Return the fault of a file with more requests than one batch may hold."""
    text = f"The batch holds too many requests. A batch may hold at most {limit}."
    return Fault("too_many_tasks", text)


def too_many_inputs(limit: int) -> Fault:
    """Return the fault of an embeddings batch with too many texts (contract 5.4)."""
    text = f"The batch embeds too many inputs. A batch may embed at most {limit}."
    return Fault("too_many_embedding_inputs", text)


_PROMPTS = {
    CHAT: "body.messages",
    "/v1/completions": "body.prompt",
    "/v1/responses": "body.input",
    "/v1/embeddings": "body.input",
}


def context_exceeded(
    endpoint: str, limit: int, tokens: tuple[int, int], number: int
) -> Fault:
    """Return the fault of a line too long for its model; tokens in and out."""
    prompt, answer = tokens
    param = _PROMPTS.get(endpoint, "body")
    where = "messages" if endpoint == CHAT else "prompt"
    return Fault(
        "context_length_exceeded",
        f"This model's maximum context length is {limit} tokens. However, you requested"
        f" {prompt + answer} tokens ({prompt} in the {where}, {answer} in the"
        f" completion). Please reduce the length of the {where} or completion.",
        number,
        param,
    )


def token_limit(model: str, project: str, limit: int) -> Fault:
    """Return the fault of a batch that its project's quota has no room for (5.4)."""
    return Fault(
        "token_limit_exceeded",
        f"Enqueued token limit reached for {model} in organization {project}. Limit:"
        f" {limit:,} enqueued tokens. Please try again once some in_progress batches"
        " have been completed.",
    )
