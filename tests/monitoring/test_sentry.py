"""What an event is left with, and who starts Sentry."""

import os
import subprocess
import sys

from monitoring.sentry import scrub
from tests.rig import sentry
from tests.rig.process import ROOT
from tests.rig.receiver import receiving

CANARY = "canary-of-sentry"
START = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "vllm_batch.settings"
{before}
django.setup()
import logging, sentry_sdk
{after}
sentry_sdk.flush()
"""


def run(url: str, after: str, before: str = "") -> None:
    """Run a process with SENTRY_DSN set."""
    subprocess.run(
        [sys.executable, "-c", START.format(before=before, after=after)],
        env={**os.environ, "SENTRY_DSN": url, "SENTRY_ENVIRONMENT": "testing"},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def test_nothing_but_what_is_chosen_is_left():
    full = {
        "event_id": "a",
        "level": "error",
        "logger": "workers.slots.slot",
        "logentry": {"message": "it is %s", "params": [CANARY], "formatted": CANARY},
        "request": {
            "method": "POST",
            "url": CANARY,
            "query_string": CANARY,
            "headers": {"Authorization": CANARY},
            "data": CANARY,
            "cookies": CANARY,
        },
        "user": {"ip_address": CANARY, "email": CANARY},
        "extra": {"sys.argv": [CANARY]},
        "breadcrumbs": {"values": [{"message": CANARY}]},
        "tags": {"a": CANARY},
        "contexts": {"trace": {"trace_id": "b", "description": CANARY}, "x": CANARY},
        "exception": {
            "values": [
                {
                    "type": "ValueError",
                    "value": CANARY,
                    "stacktrace": {
                        "frames": [{"function": "f", "vars": {"a": CANARY}}]
                    },
                }
            ]
        },
        "spans": [{"op": "db", "description": CANARY, "data": {"a": CANARY}}],
    }

    left = scrub(full, {})

    assert CANARY not in str(left)
    assert left["logentry"] == {"message": "it is %s"}
    assert left["exception"]["values"][0]["stacktrace"]["frames"] == [{"function": "f"}]


def test_a_librarys_own_text_is_left_out():
    event = {"logger": "vllm.engine", "logentry": {"message": CANARY}}

    assert CANARY not in str(scrub(event, {}))


def test_an_error_arrives_with_its_place_and_without_its_words():
    after = f"""
def break_it(prompt):
    try:
        int(prompt)
    except ValueError:
        logging.getLogger("workers.slots.slot").exception("it broke: %s", prompt)
break_it("{CANARY}")
"""
    with receiving() as sink:
        run(sentry.dsn(sink), after)
        (event,) = sentry.wait_for(sink, "event")

    assert CANARY not in str(sentry.bodies(sink))
    (error,) = event["exception"]["values"]
    assert error["type"] == "ValueError" and error["value"] == "(message withheld)"
    assert error["stacktrace"]["frames"][-1]["function"] == "break_it"
    assert event["environment"] == "testing"


def test_a_project_that_started_sentry_itself_keeps_its_own():
    own = "import sentry_sdk; sentry_sdk.init(release='theirs')"
    with receiving() as sink:
        run(sentry.dsn(sink), "sentry_sdk.capture_message('hello')", own)
        (event,) = sentry.wait_for(sink, "event")

    assert event["release"] == "theirs"
