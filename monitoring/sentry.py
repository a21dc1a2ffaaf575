"""Sentry, if SENTRY_DSN is set: what broke and where, never what was in it.

What is sent is chosen, not filtered: `scrub` builds a new event from the parts that
cannot hold a client's words.
"""

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration

from vllm_batch import __version__
from vllm_batch.environment import Environment
from vllm_batch.lib.logs import OURS, chain, message_of, work, worker

_KEPT = (
    "event_id", "timestamp", "start_timestamp", "type", "level", "platform", "release",
    "environment", "server_name", "logger", "transaction", "transaction_info", "sdk",
    "measurements",
)  # fmt: skip
_KEPT_OF_FRAME = (
    "filename", "abs_path", "function", "module", "lineno", "in_app", "context_line",
    "pre_context", "post_context",
)  # fmt: skip
_KEPT_OF_SPAN = (
    "trace_id", "span_id", "parent_span_id", "op", "status", "origin",
    "start_timestamp", "timestamp", "same_process_as_parent",
)  # fmt: skip
Event = Any


def start(environment: Environment) -> bool:
    """Send errors from now on; False if that is not wanted, or another one does."""
    if not environment.SENTRY_DSN or sentry_sdk.get_client().is_active():
        return False
    sentry_sdk.init(
        dsn=environment.SENTRY_DSN,
        release=f"vllm-batch@{__version__}",
        environment=environment.SENTRY_ENVIRONMENT,
        traces_sample_rate=environment.SENTRY_TRACES_SAMPLE_RATE,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        # Nobody we talk to is told of our traces.
        trace_propagation_targets=[],
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(lambda pending, timeout: None),
            DedupeIntegration(),
            ExcepthookIntegration(),
            LoggingIntegration(sentry_logs_level=None),
            ThreadingIntegration(propagate_scope=False),
            DjangoIntegration(transaction_style="function_name"),
        ],
        before_send=scrub,
        before_send_transaction=scrub,
    )
    return True


def scrub(event: Event, hint: dict[str, Any]) -> Event:
    """Return what may be told of an event."""
    kept = {name: event[name] for name in _KEPT if name in event}
    here = work.get()
    tags = {
        "request_id": here.request_id,
        "batch_id": here.batch_id,
        "worker": worker(),
    }
    kept["tags"] = {name: value for name, value in tags.items() if value}
    if here.project:
        kept["user"] = {"id": f"project:{here.project}"}
    if method := event.get("request", {}).get("method"):
        kept["request"] = {"method": method}
    contexts = event.get("contexts", {})
    kept["contexts"] = {
        "runtime": contexts.get("runtime", {}),
        "trace": _part(contexts.get("trace", {}), _KEPT_OF_SPAN),
    }
    if entry := event.get("logentry"):
        # Without what was put in. A library may have put something in by itself.
        is_known = event.get("logger", "").split(".")[0] in (*OURS, "django")
        kept["logentry"] = {"message": entry.get("message", "") if is_known else ""}
    if "exception" in event:
        kept["exception"] = {"values": _errors(event, hint)}
    if "spans" in event:
        kept["spans"] = [_part(span, _KEPT_OF_SPAN) for span in event["spans"]]
    return kept


def _errors(event: Event, hint: dict[str, Any]) -> list[dict[str, Any]]:
    _, raised, _ = hint.get("exc_info") or (None, None, None)
    said = {type(error).__name__: message_of(error) for error in chain(raised)}
    return [
        {
            "type": value.get("type"),
            "module": value.get("module"),
            "value": said.get(value.get("type") or "", ""),
            "mechanism": _part(value.get("mechanism") or {}, ("type", "handled")),
            "stacktrace": {"frames": _frames(value)},
        }
        for value in event["exception"].get("values", [])
    ]


def _frames(value: dict[str, Any]) -> list[dict[str, Any]]:
    trace = value.get("stacktrace") or {}
    return [_part(frame, _KEPT_OF_FRAME) for frame in trace.get("frames", [])]


def _part(whole: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: whole[name] for name in names if name in whole}
