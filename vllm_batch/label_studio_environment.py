"""What the environment may set about Label Studio; part of `environment.py`."""

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from vllm_batch.addresses import plain_address

LONGEST_URL, SHORTEST_SECRET = 200, 16


class LabelStudioEnvironment(BaseSettings):
    """Where Label Studio is, and what goes there."""

    LABEL_STUDIO_URL: str = Field(
        "", description="Label Studio's address, such as https://labels.example.com."
    )
    LABEL_STUDIO_TOKEN: str = Field(
        "", description="A personal access token there, or a legacy token."
    )
    LABEL_STUDIO_QUEUES: Literal["chosen", "all"] = Field(
        "chosen", description="Which queues are copied to Label Studio: chosen, all."
    )
    LABEL_STUDIO_PULL_SECONDS: int = Field(
        300, ge=60, description="Time between two looks for new annotations."
    )
    LABEL_STUDIO_HOOK_SECRET: str = Field(
        "", description="What its webhooks send in X-Label-Studio-Secret. Empty: none."
    )

    @field_validator("LABEL_STUDIO_URL")
    @classmethod
    def _address(cls, value: str) -> str:
        address = plain_address(value)
        if len(value) > LONGEST_URL:
            raise ValueError(f"it has more than {LONGEST_URL} characters")
        return address

    @field_validator("LABEL_STUDIO_TOKEN")
    @classmethod
    def _token(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise ValueError("it has spaces or characters that no token has")
        return value

    @field_validator("LABEL_STUDIO_HOOK_SECRET")
    @classmethod
    def _secret(cls, value: str) -> str:
        if value and (len(value) < SHORTEST_SECRET or not value.isascii()):
            raise ValueError(f"it needs at least {SHORTEST_SECRET} ASCII characters")
        return value

    @property
    def has_label_studio(self) -> bool:
        """Tell whether there is a Label Studio to talk to."""
        return bool(self.LABEL_STUDIO_URL and self.LABEL_STUDIO_TOKEN)
