"""The Files API in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiRequest

from files.models import UPLOAD_PURPOSES
from files.serializers import FileDeletedSchema, FileListSchema, FileObjectSchema
from vllm_batch.lib.parameters import LONGEST_LIFE, SHORTEST_LIFE
from vllm_batch.lib.schema import after_and_limit, answers, path_id, query, tagged

_ID = [path_id("file_id", "the file's id")]

_UPLOAD: dict[str, Any] = {
    "type": "object",
    "required": ["file", "purpose"],
    "additionalProperties": False,
    "dependentRequired": {
        "expires_after[anchor]": ["expires_after[seconds]"],
        "expires_after[seconds]": ["expires_after[anchor]"],
    },
    "properties": {
        "purpose": {"type": "string", "enum": list(UPLOAD_PURPOSES)},
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {
            "type": "integer",
            "minimum": SHORTEST_LIFE,
            "maximum": LONGEST_LIFE,
        },
        "file": {"type": "string", "format": "binary"},
    },
}

# A batch file is named *.jsonl and is UTF-8 (contract 3.2); others are what they are.
_FILE_PART: dict[str, Any] = {
    "contentType": "application/jsonl",
    "headers": {
        "Content-Disposition": {
            "description": "names the file; with purpose batch it ends in .jsonl",
            "schema": {"type": "string"},
            "example": 'form-data; name="file"; filename="requests.jsonl"',
        }
    },
}

LIST = tagged(
    "Files",
    "listFiles",
    parameters=[
        *after_and_limit(1, 10_000, 10_000),
        query("order", str, "by creation time", enum=["asc", "desc"]),
        query("purpose", str, "keep files of this purpose"),
    ],
    responses=answers(FileListSchema, 400, 404),
)
CREATE = tagged(
    "Files",
    "createFile",
    request={
        "multipart/form-data": OpenApiRequest(_UPLOAD, encoding={"file": _FILE_PART})
    },
    responses=answers(FileObjectSchema, 400, 411, 429, 507),
)
RETRIEVE = tagged(
    "Files", "retrieveFile", parameters=_ID, responses=answers(FileObjectSchema, 404)
)
DESTROY = tagged(
    "Files",
    "deleteFile",
    parameters=_ID,
    request=None,
    responses=answers(FileDeletedSchema, 404),
)
CONTENT = tagged(
    "Files",
    "downloadFile",
    parameters=_ID,
    responses={
        **answers(None, 404),
        (200, "application/octet-stream"): OpenApiTypes.BINARY,
    },
)
CONTENT["responses"].pop(200)
