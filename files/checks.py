"""System checks of where files are stored."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

_OBJECTS = "files.stores.s3.ObjectStorage"


@register()
def check_object_store(
    app_configs: Sequence[Any] | None = None, **options: Any
) -> list[CheckMessage]:
    """Report an object store whose client is not installed."""
    backend = settings.STORAGES.get("batch", {}).get("BACKEND")
    if backend != _OBJECTS or (find_spec("storages") and find_spec("boto3")):
        return []
    return [
        Error(
            "Files are to lie in a bucket, but django-storages is not installed.",
            hint="Run `pip install -r requirements-s3.txt`.",
            id="files.E001",
        )
    ]
