"""The settings of a slot's card: when it pauses (docs/how-to/watch-the-gpu.md)."""

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings


class GpuEnvironment(BaseSettings):
    """A part of `vllm_batch.environment.Environment`."""

    GPU_WATCH: bool = Field(
        True, description="Read the slot's card through NVML, and pause by it."
    )
    GPU_READ_SECONDS: float = Field(
        5, gt=0, description="Time between two readings. 6 missing ones pause."
    )
    GPU_PAUSE_CELSIUS: int = Field(
        0, ge=0, description="A card so hot pauses. 0: its slowdown threshold − 3."
    )
    GPU_RESUME_CELSIUS: int = Field(
        0, ge=0, description="So cool it goes on. 0: 9 below the pause."
    )
    GPU_PAUSE_SECONDS: float = Field(
        30, ge=0, description="How long it has to be hot before it pauses."
    )
    GPU_RESUME_SECONDS: float = Field(
        60, ge=0, description="How long it has to be cool before it goes on."
    )
    GPU_STRANGERS_PERCENT: float = Field(
        5, gt=0, le=100, description="Memory others may hold when a model is loaded."
    )
    GPU_HANDBACK_SECONDS: float = Field(
        900, ge=0, description="After such a pause another GPU may have the chunks."
    )

    @field_validator("GPU_RESUME_CELSIUS")
    @classmethod
    def _cooler(cls, value: int, info: ValidationInfo) -> int:
        if value and value >= (info.data.get("GPU_PAUSE_CELSIUS") or 200):
            raise ValueError("it must be below GPU_PAUSE_CELSIUS")
        return value
