"""Settings from the environment: a bad value stops the start and says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.rig.process import ROOT
from vllm_batch.environment import Environment, read_environment, window_seconds

BAD = [
    ("DEBUG", "perhaps"),
    ("LOG_LEVEL", "LOUD"),
    ("FILE_MAX_BYTES", "0"),
    ("BATCH_MAX_REQUESTS", "many"),
    ("BATCH_MAX_ERRORS", "99"),
    ("BATCH_COMPLETION_WINDOWS", ""),
    ("BATCH_COMPLETION_WINDOWS", "24h,soon"),
    ("FILE_LIFETIME_SECONDS", "60"),
    ("WORKER_SLOT", "../gpu"),
    ("WORKER_LEASE_SECONDS", "1"),
    ("WORKER_SEGMENT_SECONDS", "-1"),
    ("GPU_READ_SECONDS", "0"),
    ("GPU_RESUME_CELSIUS", "300"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_named_with_what_to_do(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured) as caught:
        read_environment()

    text = str(caught.value)
    assert text.startswith(f"The environment variable {name} is set to ")
    assert "Correct it or unset it" in text
    assert str(Environment.model_fields[name].description) in text


def test_every_bad_value_is_named_at_once(monkeypatch):
    monkeypatch.setenv("BATCH_MAX_ERRORS", "1")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")

    with pytest.raises(ImproperlyConfigured) as caught:
        read_environment()

    assert "BATCH_MAX_ERRORS" in str(caught.value) and "LOG_LEVEL" in str(caught.value)


def test_a_good_value_replaces_the_default(monkeypatch):
    monkeypatch.setenv("BATCH_MAX_REQUESTS", "7")

    assert read_environment().BATCH_MAX_REQUESTS == 7


def test_lists_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example, b.example,,")

    assert read_environment().ALLOWED_HOSTS == ["a.example", "b.example"]


def test_every_setting_is_described():
    fields = Environment.model_fields

    assert [name for name, field in fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("window", "seconds"),
    [("24h", 86_400), ("30m", 1800), ("7d", 604_800), ("5s", 5)],
)
def test_a_window_is_digits_and_a_unit(window, seconds):
    assert window_seconds(window) == seconds


@pytest.mark.parametrize("window", ["", "24", "h", "0h", "-1h", "1.5h", "24H", "٣h"])
def test_anything_else_is_no_window(window):
    with pytest.raises(ValueError, match="is not a duration such as 24h"):
        window_seconds(window)


def test_a_bad_value_stops_manage_py(tmp_path: Path):
    extra = {"DATA_DIR": str(tmp_path), "DATABASE_URL": "", "BATCH_MAX_ERRORS": "3"}

    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode != 0
    assert "The environment variable BATCH_MAX_ERRORS is set to '3'" in ended.stderr


def test_a_card_goes_on_cooler_than_it_pauses(monkeypatch):
    monkeypatch.setenv("GPU_PAUSE_CELSIUS", "70")
    monkeypatch.setenv("GPU_RESUME_CELSIUS", "70")

    with pytest.raises(ImproperlyConfigured, match="below GPU_PAUSE_CELSIUS"):
        read_environment()
