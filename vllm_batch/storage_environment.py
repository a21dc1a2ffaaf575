"""What the environment may set about an object store; part of `environment.py`.

Names that django-storages has are its own. The keys are not here: django-storages and
boto3 find them (AWS_ACCESS_KEY_ID, or the machine's own role).
"""

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from vllm_batch.addresses import plain_address

_BUCKET = r"^$|^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$"
_FOLDER = r"^$|^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$"
WEEK = 604_800


class StorageEnvironment(BaseSettings):
    """Which bucket holds files and segments, and how clients get their files."""

    AWS_STORAGE_BUCKET_NAME: str = Field(
        "", pattern=_BUCKET, description="Bucket of all files. Empty: DATA_DIR."
    )
    AWS_S3_ENDPOINT_URL: str = Field(
        "", description="The object store's address. Empty: Amazon's."
    )
    AWS_S3_REGION_NAME: str = Field("", description="Its region, where it has some.")
    AWS_LOCATION: str = Field(
        "", pattern=_FOLDER, description="Folder in the bucket. Empty: its root."
    )
    AWS_S3_ADDRESSING_STYLE: Literal["auto", "path", "virtual"] = Field(
        "auto", description="Where the bucket's name goes: path, or virtual (host)."
    )
    DOWNLOAD_LINK_SECONDS: int = Field(
        0,
        ge=0,
        le=WEEK,
        description="Downloads lead into the bucket, by a link for so long. 0: no.",
    )
    DOWNLOAD_LINK_ENDPOINT_URL: str = Field(
        "", description="The store's address for clients, if they know another one."
    )

    @field_validator("AWS_S3_ENDPOINT_URL", "DOWNLOAD_LINK_ENDPOINT_URL")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return plain_address(value)

    @property
    def has_object_store(self) -> bool:
        """Tell whether files lie in a bucket."""
        return bool(self.AWS_STORAGE_BUCKET_NAME)
