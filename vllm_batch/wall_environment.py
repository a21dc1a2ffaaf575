"""What the environment may set about limits and walls; part of `environment.py`."""

import ipaddress
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

# A proxy that speaks to the server through a Unix socket has no address.
UNIX = "unix"
_ADMIN_PATH = r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"
_ACCEL_PREFIX = r"^$|^/[A-Za-z0-9_-]+/$"
_CACHES = ("redis://", "rediss://", "unix://")


class WallEnvironment(BaseSettings):
    """Who may ask for how much, and what surrounds the server."""

    TRUSTED_PROXIES: Annotated[list[str], NoDecode] = Field(
        [],
        description="Proxies whose X-Forwarded-* are believed: networks, or unix.",
    )
    RATE_BATCHES_PER_ADDRESS: int = Field(
        10, ge=0, description="New batches a minute and address. 0: no limit."
    )
    RATE_BATCHES_PER_KEY: int = Field(
        10, ge=0, description="New batches a minute and API key. 0: no limit."
    )
    RATE_UPLOADS_PER_ADDRESS: int = Field(
        20, ge=0, description="Uploads a minute and address. 0: no limit."
    )
    RATE_UPLOADS_PER_KEY: int = Field(
        20, ge=0, description="Uploads a minute and API key. 0: no limit."
    )
    RATE_LOGINS_PER_ADDRESS: int = Field(
        10, ge=0, description="Logins tried a minute and address. 0: no limit."
    )
    RATE_LOGINS_PER_NAME: int = Field(
        100, ge=0, description="Logins tried an hour and user name. 0: no limit."
    )
    CACHE_URL: str = Field(
        "", description="Valkey's or Redis' address, for counters. Empty: the database."
    )
    PROJECT_STORED_BYTES: int = Field(
        0, ge=0, description="Most bytes of a project's files. 0: no limit."
    )
    PROJECT_STORED_FILES: int = Field(
        0, ge=0, description="Most files of a project. 0: no limit."
    )
    PROJECT_LIVE_BATCHES: int = Field(
        0, ge=0, description="Most batches that have not ended. 0: no limit."
    )
    HTTPS: bool = Field(
        False, description="The server is reached over TLS only: cookies, HSTS."
    )
    HSTS_SECONDS: int = Field(
        31_536_000, ge=0, description="With HTTPS: how long browsers insist on TLS."
    )
    HSTS_SCOPE: Literal["host", "subdomains", "preload"] = Field(
        "host", description="With HTTPS: what they insist for."
    )
    DOWNLOAD_ACCEL_PREFIX: str = Field(
        "",
        pattern=_ACCEL_PREFIX,
        description="nginx's internal location of the storage. Empty: no X-Accel.",
    )
    ADMIN_PATH: str = Field(
        "admin", pattern=_ADMIN_PATH, description="Where the admin is, without slashes."
    )
    ADMIN_SESSION_SECONDS: int = Field(
        43_200, ge=300, description="How long a login to the admin lasts."
    )

    @field_validator("TRUSTED_PROXIES")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for network in value:
            if network != UNIX:
                ipaddress.ip_network(network)  # its ValueError says what is wrong
        return value

    @field_validator("ADMIN_PATH")
    @classmethod
    def _free(cls, value: str) -> str:
        if value.split("/")[0] in ("v1", "health", "static", "metrics"):
            raise ValueError("this path is taken")
        return value

    @field_validator("CACHE_URL")
    @classmethod
    def _cache(cls, value: str) -> str:
        if value and not value.startswith(_CACHES):
            raise ValueError("write it as redis://host:6379/0, rediss:// or unix://")
        return value
