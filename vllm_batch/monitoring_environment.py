"""What the environment may set about metrics, logs and Sentry."""

from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

SHORTEST_TOKEN = 16


class MonitoringEnvironment(BaseSettings):
    """A part of `vllm_batch.environment.Environment`."""

    METRICS_TOKEN: str = Field(
        "", description="Who sends it as a bearer token may read /metrics."
    )
    METRICS_ALLOWED: Annotated[list[str], NoDecode] = Field(
        ["127.0.0.1", "::1"],
        description="Addresses and networks that may read /metrics without a token.",
    )
    WORKER_METRICS_PORT: int = Field(
        0, ge=0, le=65_535, description="Port of the worker's own metrics. 0: none."
    )
    WORKER_METRICS_HOST: str = Field(
        "127.0.0.1", description="Address at which a worker serves its metrics."
    )
    WORKER_VLLM_METRICS: bool = Field(
        False, description="Let vLLM count too; the worker serves what it counts."
    )
    LOG_FORMAT: Literal["text", "json"] = Field(
        "text", description="text: a line for people. json: an object a line."
    )
    SENTRY_DSN: str = Field("", description="Where errors are sent. Empty: nowhere.")
    SENTRY_ENVIRONMENT: str = Field(
        "production", description="The environment events are filed under."
    )
    SENTRY_TRACES_SAMPLE_RATE: float = Field(
        0.0, ge=0, le=1, description="Share of requests whose course is traced."
    )

    @field_validator("METRICS_ALLOWED", mode="before")
    @classmethod
    def _metrics_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        for part in parts:
            ip_network(part)  # its ValueError says what is wrong
        return parts

    @field_validator("METRICS_TOKEN")
    @classmethod
    def _metrics_token(cls, value: str) -> str:
        if value and (len(value) < SHORTEST_TOKEN or not value.isascii()):
            raise ValueError(f"it needs at least {SHORTEST_TOKEN} ASCII characters")
        return value

    @field_validator("SENTRY_DSN")
    @classmethod
    def _sentry_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in ("http", "https") and parts.username):
            raise ValueError("write it as https://key@host/number")
        return value
