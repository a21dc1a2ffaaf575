"""What the environment may set about Ray clusters."""

from pydantic import Field
from pydantic_settings import BaseSettings


class RayEnvironment(BaseSettings):
    """A part of `vllm_batch.environment.Environment`."""

    RAY_ADDRESS: str = Field(
        "", description="host:port of a Ray cluster's head. Empty: one is started here."
    )
    RAY_MIN_REPLICAS: int = Field(
        1,
        ge=0,
        le=4096,
        description="Replicas of a model that stay while it is loaded.",
    )
    RAY_MAX_REPLICAS: int = Field(
        0,
        ge=0,
        le=4096,
        description="The most of them. 0: as many as there is room for.",
    )
