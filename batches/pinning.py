"""Run a batch on what another one ran on, or not at all."""

from collections.abc import Mapping
from typing import Any

from accounts.models import Project
from batches.manifests import model_differences
from batches.models import BatchJob
from batches.offers import Catalog, find_offers
from vllm_batch.lib.errors import InvalidRequest, NotFound

PARAM = "vllm_batch.manifest_of"


def find_pinned(project: Project, batch_id: str) -> dict[str, Any]:
    """Return the manifest of one of the project's batches, if its models still fit.

    Raises NotFound for a batch that is not there, and InvalidRequest that names each
    difference. What only an engine tells (its version, the weights) is compared again
    by the worker that has it loaded.
    """
    batch = BatchJob.objects.of(project).filter(pk=batch_id).first()
    if batch is None:
        raise NotFound(f"No batch found with id '{batch_id[:200]}'.", param=PARAM)
    manifest: dict[str, Any] | None = batch.manifest
    if not manifest:
        raise _refused(f"Batch {batch.pk} has no manifest: none of its lines ran.")
    if found := pinned_differences(manifest, find_offers()):
        raise _refused(
            f"The manifest of batch {batch.pk} cannot be met: {'; '.join(found)}."
        )
    return manifest


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param=PARAM, code="invalid_value")


def pinned_differences(manifest: Mapping[str, Any], catalog: Catalog) -> list[str]:
    """Return in what the models that are served now differ from a manifest."""
    facts = {offer.facts.get("model"): offer.facts for offer in catalog.values()}
    found = []
    for model in dict.fromkeys(entry["model"] for entry in manifest["entries"]):
        if model not in facts:
            found.append(f"the model {model} is not served any more")
        else:
            found += [
                f"{model}: {text}" for text in model_differences(manifest, facts[model])
            ]
    return found
