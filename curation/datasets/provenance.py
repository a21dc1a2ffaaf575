"""Where an example comes from, down to the line of the batch."""

from typing import Any

from curation.datasets.evidence import Evidence
from curation.datasets.rules import Answer, Draft


def provenance_of(evidence: Evidence, drafted: Draft) -> dict[str, Any]:
    """Return an example's origin as it is stored with it."""
    decision = drafted.decision
    return {
        "item": evidence.item.pk,
        "input_hash": evidence.item.input_hash,
        "cluster": evidence.cluster,
        "decision": decision.pk if decision else None,
        "method": decision.method if decision else None,
        "gold": evidence.decision.is_gold,
        "reviews": list(drafted.reviews),
        "answers": {place: _answer(one) for place, one in drafted.answers.items()},
    }


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if answer.revision is not None:
        revision = answer.revision
        found["revision"] = revision.pk
        found["edit_ratio"] = revision.edit_ratio
        found["text_hash"] = revision.text_hash
    candidate = answer.candidate
    if candidate is None:
        return found
    return {
        "text_hash": candidate.text_hash,
        **found,
        "candidate": candidate.pk,
        "batch": candidate.batch_id,
        "line": candidate.line,
        "custom_id": candidate.custom_id,
        "model": candidate.model,
        "model_revision": candidate.model_revision,
        "parameters": candidate.parameters,
        "finish_reason": candidate.finish_reason,
        "usage": candidate.usage,
        "manifest": _manifest(candidate.manifest),
    }


def _manifest(manifest: Any) -> Any:
    """Leave out an import's copy of the foreign row: the candidate has it."""
    if isinstance(manifest, dict) and isinstance(manifest.get("import"), dict):
        origin = {key: manifest["import"].get(key) for key in ("format", "row")}
        return {**manifest, "import": origin}
    return manifest


def models_of(provenance: dict[str, Any]) -> set[str]:
    """Return the models that had a part in an example's answers."""
    answers = provenance["answers"].values()
    return {answer["model"] for answer in answers if "model" in answer}
