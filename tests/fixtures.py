"""Fixtures that the folders of fast tests share; their conftest files import them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, settings: Any) -> Path:
    """An empty folder for stored files and uploads, for each test."""
    folder = tmp_path / "batch"
    options = {"location": folder}
    batch = {**settings.STORAGES["batch"], "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "batch": batch}
    settings.FILE_UPLOAD_TEMP_DIR = folder / "incoming"
    return folder


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """A function that sets values of `vllm_batch.environment` for one test."""

    def apply(**values: Any) -> None:
        settings.VLLM_BATCH = settings.VLLM_BATCH.model_copy(update=values)

    return apply


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hash the admin's passwords in no time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
