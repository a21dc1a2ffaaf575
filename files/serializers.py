"""The File object on the wire (contract 3.1)."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from files.models import UPLOAD_PURPOSES, File
from vllm_batch.lib.clock import unix


def file_object(file: File) -> dict[str, Any]:
    """Return a file as clients see it."""
    return {
        "id": file.pk,
        "object": "file",
        "bytes": file.bytes,
        "created_at": unix(file.created_at),
        "expires_at": unix(file.expires_at),
        "filename": file.filename,
        "purpose": file.purpose,
        # Ready as soon as it is stored; a client that waits for it must not hang.
        "status": "processed",
        "status_details": None,
    }


def file_objects(files: Sequence[File]) -> list[dict[str, Any]]:
    """Return a page of files as clients see them."""
    return [file_object(file) for file in files]


class FileObjectSchema(serializers.Serializer[Any]):
    """Describes `file_object` in the OpenAPI document."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["file"])
    bytes = serializers.IntegerField()
    created_at = serializers.IntegerField(help_text="Unix seconds")
    expires_at = serializers.IntegerField(allow_null=True, help_text="Unix seconds")
    filename = serializers.CharField(allow_blank=True)
    purpose = serializers.ChoiceField([*UPLOAD_PURPOSES, "batch_output"])
    status = serializers.ChoiceField(["processed"])
    status_details = serializers.CharField(allow_null=True)


class FileListSchema(serializers.Serializer[Any]):
    """Describes a page of files."""

    object = serializers.ChoiceField(["list"])
    data = FileObjectSchema(many=True)  # type: ignore[assignment]
    first_id = serializers.CharField(allow_null=True)
    last_id = serializers.CharField(allow_null=True)
    has_more = serializers.BooleanField()


class FileDeletedSchema(serializers.Serializer[Any]):
    """Describes the answer to a deletion."""

    id = serializers.CharField()
    object = serializers.ChoiceField(["file"])
    deleted = serializers.BooleanField()
