"""Log records: one JSON object a line, whose work it is, and no client's words."""

import json
import logging
import os
import subprocess
import sys

import msgspec
import pytest
from django.db import OperationalError

from tests.rig.process import ROOT
from vllm_batch.lib.logs import (
    WITHHELD,
    JsonFormatter,
    LineFormatter,
    begin,
    logging_settings,
    working_on,
)

CANARY = "canary-5d41402a"


def record(message: str = "hello", error: BaseException | None = None) -> object:
    made = logging.makeLogRecord({"name": "workers.slots.slot", "levelname": "INFO"})
    made.msg = message
    made.exc_info = (type(error), error, error.__traceback__) if error else None
    return made


def written(*details: object) -> dict[str, object]:
    """Return a record as JsonFormatter writes it."""
    text = JsonFormatter().format(record(*details))  # type: ignore[arg-type]
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def raised(action: object) -> BaseException:
    try:
        action()  # type: ignore[operator]
    except (ValueError, LookupError, OSError) as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_record_always_has_the_same_keys():
    keys = "time level logger message request_id batch_id worker process"

    assert list(written()) == keys.split()


def test_it_tells_whose_work_it_is():
    begin("")
    with working_on(request_id="req_1"), working_on(batch_id="batch_1"):
        inside = written()

    assert (inside["request_id"], inside["batch_id"]) == ("req_1", "batch_1")
    assert written()["request_id"] == ""


def test_a_message_of_several_lines_stays_one_line():
    assert written("a\nb\u2028c\x1b[2J")["message"] == "a\nb\u2028c\x1b[2J"


@pytest.mark.parametrize("form", [JsonFormatter(), LineFormatter()])
@pytest.mark.parametrize(
    "action",
    [
        lambda: dict[str, str]()[CANARY],
        lambda: int(CANARY),
        lambda: json.loads(f'{{"{CANARY}"'),
        lambda: msgspec.convert(CANARY, int),
    ],
)
def test_an_error_that_may_quote_a_client_is_told_without_its_words(form, action):
    error = raised(action)

    text = form.format(record("it failed", error))

    assert CANARY not in text
    assert type(error).__qualname__ in text and WITHHELD in text
    assert "test_logs.py" in text


def test_what_caused_an_error_is_told_alike():
    def fail() -> None:
        try:
            int(CANARY)
        except ValueError as error:
            raise OSError(28, "No space left on device") from error

    told = str(written("it failed", raised(fail))["exception"])

    assert CANARY not in told
    assert told.index("ValueError") < told.index("No space left on device")


def test_a_database_says_why_but_not_which_row():
    error = OperationalError(f"connection refused\nDETAIL: row ({CANARY})")

    told = str(written("it failed", error)["exception"])

    assert "connection refused" in told and CANARY not in told


def test_no_level_logs_statements():
    loggers = logging_settings("DEBUG")["loggers"]

    assert loggers["django.db.backends"]["level"] == "INFO"


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_keeper_logs_like_the_others(form):
    script = (
        "from vllm_batch.lib.logs import log_without_django; import logging, sys;"
        " log_without_django();"
        " logging.getLogger('workers.supervising.keeper').error('gone');"
        " sys.exit('django' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "VLLM_BATCH_LOG_FORMAT": form, "VLLM_BATCH_WORKER": "a@b"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    if form == "json":
        assert json.loads(done.stderr)["worker"] == "a@b"
    assert "gone" in done.stderr
