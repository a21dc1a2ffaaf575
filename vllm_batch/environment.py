"""Every setting that comes from the environment, with its default and meaning.

This class is the one list: `docs/reference/settings.md` is checked against it.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, NoReturn
from zoneinfo import available_timezones

from django.core.exceptions import ImproperlyConfigured
from pydantic import Field, NonNegativeInt, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode, SettingsConfigDict

from vllm_batch.gpu_environment import GpuEnvironment
from vllm_batch.label_studio_environment import LabelStudioEnvironment
from vllm_batch.monitoring_environment import MonitoringEnvironment
from vllm_batch.ray_environment import RayEnvironment
from vllm_batch.storage_environment import StorageEnvironment
from vllm_batch.wall_environment import WallEnvironment

BASE_DIR = Path(__file__).resolve().parent.parent
DAY = 86_400
SLOT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
# A span of times of day; workers/scheduling/hours.py reads it.
_SPAN = r" *\d\d?:[0-5]\d *- *\d\d?:[0-5]\d *"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
CommaList = Annotated[list[str], NoDecode]
Waits = Annotated[list[NonNegativeInt], NoDecode]


def window_seconds(window: str) -> int:
    """Turn a completion window such as `24h` or `30m` into seconds.

    Raises ValueError for anything but digits and one of s, m, h, d.
    """
    match = re.fullmatch(r"([1-9]\d{0,6})([smhd])", window)
    if match is None:
        raise ValueError(f"'{window}' is not a duration such as 24h, 30m or 7d")
    return int(match[1]) * _UNITS[match[2]]


class Environment(
    GpuEnvironment,
    LabelStudioEnvironment,
    WallEnvironment,
    MonitoringEnvironment,
    RayEnvironment,
    StorageEnvironment,
):
    """What the environment may set; a bad value stops the start."""

    model_config = SettingsConfigDict(case_sensitive=True, extra="ignore")

    SECRET_KEY: str = Field(
        "",
        description="Django's signing key. Empty: one is made and kept in DATA_DIR.",
    )
    DEBUG: bool = Field(False, description="Django's debug pages. Never in production.")
    ALLOWED_HOSTS: CommaList = Field(
        ["localhost", "127.0.0.1", "[::1]"],
        description="Host names the server answers to, separated by commas.",
    )
    CSRF_TRUSTED_ORIGINS: CommaList = Field(
        [], description="Origins (https://…) trusted for admin forms behind a proxy."
    )
    DATA_DIR: Path = Field(
        BASE_DIR / "var",
        description="Folder of the SQLite database, files, keys and worker locks.",
    )
    DATABASE_URL: str = Field(
        "",
        description="postgresql://user:password@host/name. Empty: SQLite in DATA_DIR.",
    )
    DATABASE_POOL: bool = Field(
        True,
        description="psycopg's connection pool in web processes (PostgreSQL only).",
    )
    DATABASE_SILENCE_SECONDS: int = Field(
        15,
        ge=0,
        description="A PostgreSQL silent so long over TCP is gone. 0: no check.",
    )
    DATABASE_STATEMENT_SECONDS: int = Field(
        30,
        ge=0,
        description="Longest statement in web processes (PostgreSQL). 0: no limit.",
    )
    DATABASE_IDLE_SECONDS: int = Field(
        0,
        ge=0,
        description="Longest pause inside a transaction (PostgreSQL). 0: no limit.",
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged."
    )
    FILE_MAX_BYTES: int = Field(
        536_870_912, gt=0, description="Largest upload of any purpose, in bytes."
    )
    BATCH_MAX_BYTES: int = Field(
        209_715_200, gt=0, description="Largest upload with purpose batch, in bytes."
    )
    BATCH_MAX_LINE_BYTES: int = Field(
        16_777_216, gt=0, description="Longest line of a batch file, in bytes."
    )
    BATCH_MAX_REQUESTS: int = Field(
        50_000, gt=0, description="Most requests in one batch."
    )
    BATCH_MAX_EMBEDDING_INPUTS: int = Field(
        50_000, gt=0, description="Most embedding inputs in one batch, all lines added."
    )
    BATCH_MAX_ERRORS: int = Field(
        1000, ge=100, description="Most entries in a failed batch's `errors.data`."
    )
    BATCH_COMPLETION_WINDOWS: CommaList = Field(
        ["24h"], description="Accepted completion windows, separated by commas."
    )
    BATCH_ALLOW_MIXED_MODELS: bool = Field(
        False, description="Allow several models in one batch file (OpenAI does not)."
    )
    BATCH_CHUNK_LINES: int = Field(
        1024, gt=0, description="Lines in a chunk, the unit a worker claims."
    )
    BATCH_CHUNK_BYTES: int = Field(
        8_388_608,
        gt=0,
        description="… or bytes, if that is less. A worker reads it whole.",
    )
    BATCH_FOLD_DUPLICATES: bool = Field(
        True,
        description="Run equal lines of a batch once, where answers cannot differ.",
    )
    BATCH_PREFLIGHT: Literal["off", "lengths"] = Field(
        "off",
        description="lengths: validation counts tokens and fails lines too long.",
    )
    BATCH_PREFLIGHT_SECONDS: float = Field(
        120, gt=0, le=480, description="Most time for counting a batch's tokens."
    )
    PROJECT_ENQUEUED_TOKENS: int = Field(
        0, ge=0, description="Most tokens in a project's live batches. 0: no limit."
    )
    FILE_LIFETIME_SECONDS: int = Field(
        30 * DAY, ge=3600, description="Life of batch input and output files."
    )
    DISK_RESERVE_BYTES: int = Field(
        1 << 30,
        ge=0,
        description="Free space on the files' disk below which nothing new starts.",
    )
    WORKER_SLOT: str = Field(
        "gpu0",
        pattern=SLOT_PATTERN,
        description="Name of this machine's GPU slot. One engine runs per slot.",
    )
    WORKER_HOST: str = Field(
        "",
        pattern=rf"^$|{SLOT_PATTERN}",
        description="Name of this machine, the same after restarts. Empty: its host"
        " name.",
    )
    WORKER_LEASE_SECONDS: int = Field(
        60, ge=2, description="A chunk's lease; a dead worker's chunks wait this long."
    )
    WORKER_WINDOW: int = Field(
        0,
        ge=0,
        description="Requests in flight. 0: twice what the engine runs at once.",
    )
    WORKER_SEGMENT_LINES: int = Field(
        256, gt=0, description="Results are made durable after this many lines …"
    )
    WORKER_SEGMENT_SECONDS: float = Field(
        1.0, gt=0, description="… or after this many seconds, whichever is first."
    )
    WORKER_DEVICE: str = Field(
        "", pattern=r"^[A-Za-z0-9,:_/-]*$", description="The slot's GPU, for CUDA."
    )
    WORKER_HOURS: str = Field(
        "",
        pattern=rf"^$|^{_SPAN}(,{_SPAN})*$",
        description="Times of day it works, such as 22:00-08:00. Empty: always.",
    )
    WORKER_TIME_ZONE: str = Field(
        "", description="Time zone of all hours. Empty: Django's TIME_ZONE."
    )
    WORKER_QUANTUM_SECONDS: int = Field(
        300, ge=1, description="A model keeps the GPU so long, deadlines apart."
    )
    WORKER_PATIENCE_SECONDS: int = Field(
        14_400, ge=1, description="A model that has waited so long gets a turn."
    )
    WORKER_DRAIN_SECONDS: int = Field(
        60, ge=1, description="After SIGTERM, how long lines in flight may take to end."
    )
    WORKER_SLEEPING_MODELS: int = Field(
        1,
        ge=0,
        description="Models that sleep instead of being unloaded, where vLLM can.",
    )
    MODEL_LOAD_ATTEMPTS: int = Field(
        3, ge=1, description="Failed loads in a row after which a model is disabled."
    )
    ENGINE_START_SECONDS: int = Field(
        900, ge=10, description="How long an engine may take to load its model."
    )

    ENGINE_STALL_SECONDS: int = Field(
        120, ge=2, description="An engine with requests and no progress is replaced."
    )
    HANDLER_RETRY_SECONDS: Waits = Field(
        [10, 60, 300, 1800, 7200, 21_600],
        description="Waits before a result handler that failed is tried again.",
    )
    HANDLER_TIMEOUT_SECONDS: int = Field(
        3600, ge=60, description="How long one call of a result handler may take."
    )
    WEBHOOK_RETRY_SECONDS: Waits = Field(
        [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
        description="Waits before a webhook that failed is sent again.",
    )
    WEBHOOK_ALLOW_HTTP: bool = Field(
        False, description="Send webhooks to http:// URLs too. For trusted networks."
    )
    WEBHOOK_ALLOWED_HOSTS: CommaList = Field(
        [],
        description="Private hosts webhooks may reach: host, host:port or host:*.",
    )

    @field_validator(
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "BATCH_COMPLETION_WINDOWS",
        "HANDLER_RETRY_SECONDS",
        "WEBHOOK_RETRY_SECONDS",
        "WEBHOOK_ALLOWED_HOSTS",
        "TRUSTED_PROXIES",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]

    @field_validator("DATABASE_URL")
    @classmethod
    def _postgresql(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("write it as postgresql://user:password@host/name")
        return value

    @field_validator("WORKER_TIME_ZONE")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value and value not in available_timezones():
            raise ValueError("write a name such as Europe/Berlin")
        return value

    @field_validator("WEBHOOK_ALLOWED_HOSTS")
    @classmethod
    def _hosts(cls, value: list[str]) -> list[str]:
        for host in value:
            if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:(\d+|\*))?", host):
                raise ValueError(f"'{host}' is not host, host:port or host:*")
        return value

    @field_validator("BATCH_COMPLETION_WINDOWS")
    @classmethod
    def _known_windows(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError("name at least one window, such as 24h")
        for window in value:
            window_seconds(window)
        return value


def read_environment() -> Environment:
    """Read the environment; raises ImproperlyConfigured with a sentence to act on."""
    try:
        return Environment()
    except ValidationError as error:
        _stop(error)


def _shown(part: ErrorDetails) -> str:
    is_secret = str(part["loc"][0]).endswith(("TOKEN", "SECRET", "CACHE_URL"))
    return "a secret" if is_secret else repr(part["input"])


def _stop(error: ValidationError) -> NoReturn:
    sentences = [
        f"The environment variable {part['loc'][0]} is set to {_shown(part)}, which"
        f" does not work: {part['msg']}. Correct it or unset it"
        f" ({Environment.model_fields[str(part['loc'][0])].description})"
        for part in error.errors()
    ]
    raise ImproperlyConfigured("\n".join(sentences)) from None
