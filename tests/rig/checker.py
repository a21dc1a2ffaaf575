"""Judge a history: what clients were told against what the server says in the end.

Events are dictionaries with an `op`; `rig/history.py` records them:

    uploaded  file, sha256                       a 2xx for an upload
    created   batch, file                        a 2xx for a batch
    status    batch, status, counts              one answer to a poll
    content   file, sha256                       what was read from it in the end
    result    batch, status, output, error, usage    the end: two contents, as bytes
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
TERMINAL = {"completed", "failed", "expired", "cancelled"}
# The stub engine's words for a good answer. Any other line may well fail.
HEALTHY = {"ECHO", "SLEEP"}
# What a line may have in place of an answer, by its batch's status.
_NOT_RUN = {"cancelled": "batch_cancelled", "expired": "batch_expired"}
# Which status a poll may see after which, steps in between skipped.
_LATER = {
    "validating": {
        "in_progress", "finalizing", "completed", "failed", "cancelling", "cancelled",
        "expired",
    },
    "in_progress": {"finalizing", "completed", "cancelling", "cancelled", "expired"},
    "finalizing": {"completed", "cancelling", "cancelled"},
    "cancelling": {"cancelled"},
}  # fmt: skip


@dataclass
class Verdict:
    """What is wrong, and how many lines there were."""

    complaints: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    lines: int = 0

    @property
    def is_green(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.complaints

    def __str__(self) -> str:
        counts = f"{self.lines} lines, {self.lost} lost, {self.doubled} doubled"
        return "\n".join([f"{counts}, {self.torn} torn", *self.complaints[:40]])


def sha256(content: bytes) -> str:
    """Return the hash events carry in place of a content."""
    return hashlib.sha256(content).hexdigest()


def judge(events: Iterable[Event], inputs: dict[str, bytes]) -> Verdict:
    """Judge a whole history; `inputs` are the uploaded contents by file id."""
    history = list(events)
    verdict = Verdict()
    _judge_files(history, verdict)
    for created in _of(history, "created"):
        batch = created["batch"]
        own = [event for event in history if event.get("batch") == batch]
        _judge_statuses(batch, own, verdict)
        results = _of(own, "result")
        if len(results) != 1:
            verdict.complaints.append(f"{batch} has {len(results)} results, not one")
            continue
        _judge_result(results[0], inputs[created["file"]], verdict)
    return verdict


def _of(history: list[Event], op: str) -> list[Event]:
    return [event for event in history if event["op"] == op]


def _judge_files(history: list[Event], verdict: Verdict) -> None:
    """Every acknowledged file can be read and is what was sent."""
    found = {event["file"]: event["sha256"] for event in _of(history, "content")}
    for event in _of(history, "uploaded"):
        if found.get(event["file"]) != event["sha256"]:
            verdict.complaints.append(f"{event['file']} is lost or not what was sent")


def _judge_statuses(batch: str, own: list[Event], verdict: Verdict) -> None:
    """A terminal status is final, the others follow each other; counters only grow."""
    polls = _of(own, "status")
    for before, after in zip(polls, polls[1:], strict=False):
        old, new = before["status"], after["status"]
        if old != new and new not in _LATER.get(old, set()):
            verdict.complaints.append(f"{batch} went from {old} to {new}")
        for name in ("completed", "failed"):
            if after["counts"][name] < before["counts"][name]:
                verdict.complaints.append(f"{batch}: its count of {name} went back")


def _judge_result(result: Event, content: bytes, verdict: Verdict) -> None:
    """Input ids are output ids and error ids together, each once, and all add up."""
    batch = result["batch"]
    wanted = {line["custom_id"]: line for line in map(json.loads, content.splitlines())}
    output = _records(result["output"], batch, verdict)
    error = _records(result["error"], batch, verdict)
    _judge_ids(batch, wanted, [*output, *error], verdict)
    for record in output:
        _judge_answer(batch, wanted.get(record["custom_id"]), record, verdict)
    for record in error:
        _judge_blame(result, wanted.get(record["custom_id"]), record, verdict)
    _judge_sums(result, output, error, verdict)


def _records(content: bytes, batch: str, verdict: Verdict) -> list[Event]:
    """Return a file's records; a line that is none is torn."""
    found = []
    lines = content.split(b"\n")
    if lines.pop():
        verdict.torn += 1
        verdict.complaints.append(f"{batch}: a file does not end with its line")
    for line in lines:
        try:
            record = json.loads(line)
            found.append({**record, "custom_id": record["custom_id"]})
        except (ValueError, LookupError, TypeError):
            verdict.torn += 1
            verdict.complaints.append(f"{batch}: a torn line {line[:60]!r}")
    return found


def _judge_ids(
    batch: str, wanted: dict[str, Event], records: list[Event], verdict: Verdict
) -> None:
    counts = Counter(record["custom_id"] for record in records)
    lost = wanted.keys() - counts.keys()
    doubled = [one for one, count in counts.items() if count > 1]
    verdict.lines += len(wanted)
    verdict.lost += len(lost)
    verdict.doubled += len(doubled)
    for text, ids in (
        ("lost", lost),
        ("doubled", doubled),
        ("invented", counts.keys() - wanted.keys()),
    ):
        if ids:
            verdict.complaints.append(f"{batch}: {text}: {sorted(ids)[:5]}")
    if len({record["id"] for record in records}) != len(records):
        verdict.complaints.append(f"{batch}: two records have one id")


def _judge_answer(
    batch: str, line: Event | None, record: Event, verdict: Verdict
) -> None:
    """The stub echoes, so each answer shows which line it belongs to."""
    if line is None:
        return
    sent = _prompt(line).split(" ")[-1]
    try:
        answer = record["response"]["body"]["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        answer = None
    if answer is None or answer.split(" ")[-1] != sent:
        complaint = f"{batch}: {record['custom_id']} has another line's answer"
        verdict.complaints.append(complaint)


def _judge_blame(
    result: Event, line: Event | None, record: Event, verdict: Verdict
) -> None:
    """No healthy line fails, whatever was killed; it may only not have run."""
    if line is None or _prompt(line).split(" ")[0] not in HEALTHY:
        return
    code = (record["error"] or {}).get("code")
    if code is None or code != _NOT_RUN.get(result["status"]):
        name = f"{result['batch']}: the healthy line {record['custom_id']}"
        why = record["response"] or record["error"]
        verdict.complaints.append(f"{name} got an error record: {str(why)[:200]}")


def _prompt(line: Event) -> str:
    prompt: str = line["body"]["messages"][-1]["content"]
    return prompt


def _judge_sums(
    result: Event, output: list[Event], error: list[Event], verdict: Verdict
) -> None:
    batch, counts, usage = result["batch"], result["counts"], result["usage"]
    if result["status"] == "completed":
        real = {
            "total": len(output) + len(error),
            "completed": len(output),
            "failed": len(error),
        }
        if counts != real:
            verdict.complaints.append(f"{batch}: it counts {counts}, there are {real}")
    tokens = sum(_tokens(record) for record in output)
    if usage is not None and usage["total_tokens"] != tokens and not error:
        told = usage["total_tokens"]
        verdict.complaints.append(f"{batch}: usage {told}, its lines used {tokens}")


def _tokens(record: Event) -> int:
    try:
        return int(record["response"]["body"]["usage"]["total_tokens"])
    except (LookupError, TypeError):
        return 0
