"""A batch's manifest: what it ran on, and whether something else would answer alike.

`{"entries": [entry, …]}`, one entry for each model and set of arguments. An entry is
written by the worker (workers/manifests.py); here stand the rules.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction

from batches.models import BatchJob

Entry = Mapping[str, Any]
# What decides answers, beside `engine_args`.
DECISIVE = (
    "engine",
    "engine_version",
    "source",
    "revision",
    "weights",
    "quantization",
    "lora_adapters",
    "lora_weights",
    "chat_template_sha256",
)
# Arguments that change an engine's speed and memory, and not what it is asked for.
NEUTRAL = frozenset(
    {
        "api_key_env",
        "concurrency",
        "connect_timeout",
        "cpu_offload_gb",
        "disable_log_stats",
        "download_dir",
        "enable_log_requests",
        "enable_prefix_caching",
        "enable_sleep_mode",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "max_cpu_loras",
        "max_loras",
        "max_num_batched_tokens",
        "max_num_seqs",
        "max_response_bytes",
        "swap_space",
        "timeout",
        "tries",
    }
)


def differences(then: Entry, now: Entry) -> list[str]:
    """Return in words what would answer otherwise; what one does not tell is equal."""
    found = [
        _difference(key, then[key], now[key])
        for key in DECISIVE
        if key in then and key in now and then[key] != now[key]
    ]
    if "engine_args" in now:
        found += _argument_differences(then["engine_args"], now["engine_args"])
    return found


def _argument_differences(
    then: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[str]:
    for key in sorted({*then, *now} - NEUTRAL):
        before, after = then.get(key), now.get(key)
        if before != after:
            yield _difference(f"engine_args.{key}", before, after)


def _difference(what: str, then: object, now: object) -> str:
    return f"{what} was {_shown(then)} and is {_shown(now)}"


def _shown(value: object) -> str:
    return "not set" if value in (None, "", [], {}) else str(value)[:200]


def model_differences(manifest: Mapping[str, Any], now: Entry) -> list[str]:
    """Compare with the entries of the same model; the nearest one counts."""
    known = [e for e in manifest["entries"] if e["model"] == now["model"]]
    if not known:
        return [f"it holds nothing about the model {now['model']}"]
    return min((differences(entry, now) for entry in known), key=len)


def note(batch_id: str, entry: dict[str, Any], *, at: int) -> None:
    """Add an entry to a batch's manifest, unless it stands there; nothing is lost.

    `at` is when its first chunk was claimed, in Unix seconds.
    """
    with transaction.atomic():
        rows = BatchJob.objects.select_for_update().filter(pk=batch_id)
        if (batch := rows.only("manifest").first()) is None:
            return
        entries = (batch.manifest or {}).get("entries", [])
        known = [{**old, "claimed_at": at} for old in entries]
        if {**entry, "claimed_at": at} not in known:
            batch.manifest = {"entries": [*entries, {**entry, "claimed_at": at}]}
            batch.save(update_fields=["manifest"])
