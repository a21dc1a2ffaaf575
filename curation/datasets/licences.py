"""The gate: which models' answers may train others."""

from collections.abc import Iterable
from typing import Any

from batches.offers import Licence, find_licences
from curation.datasets.errors import Unlicensed


def licences_of(models: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what is known of the models' licences now."""
    known = find_licences()
    found = {name: known.get(name, Licence()) for name in sorted(models)}
    return {
        name: {"licence": one.name, "may_train_others": one.may_train_others}
        for name, one in found.items()
    }


def check_licences(models: Iterable[str], allowed: Iterable[str] | None) -> list[str]:
    """Return the models without permission; raises Unlicensed for those not allowed.

    `allowed` None lets all of them through.
    """
    facts = licences_of(models)
    bare = [name for name, one in facts.items() if one["may_train_others"] != "yes"]
    refused = bare if allowed is not None else []
    refused = [name for name in refused if name not in set(allowed or ())]
    if refused:
        said = ", ".join(f"{n} ({facts[n]['may_train_others']})" for n in refused)
        raise Unlicensed(
            f"May these models' outputs train other models? {said}. Answer it in the"
            " admin (served models, “may train others”), leave them out with --model,"
            " or freeze with --allow-unlicensed, which is noted in the version."
        )
    return bare
