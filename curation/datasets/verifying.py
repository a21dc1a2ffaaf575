"""Prove that a version is what was frozen: recompute every hash."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from curation.datasets.hashing import Manifest, digest_payload
from curation.models import DatasetVersion

MOST_NAMED = 20
PAGE_MEMBERS = 200


@dataclass
class Proof:
    """What was recomputed; without faults the version is intact."""

    members: int = 0
    manifest_sha256: str = ""
    fault_count: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        """Tell whether everything is as it was."""
        return not self.fault_count


def verify(version: DatasetVersion) -> Proof:
    """Read every member and compare it with its hash, and all with the manifest's."""
    proof = Proof()
    for fault in _faults(version, proof):
        proof.fault_count += 1
        if len(proof.faults) < MOST_NAMED:
            proof.faults.append(fault)
    return proof


def _faults(version: DatasetVersion, proof: Proof) -> Iterator[str]:
    manifest = Manifest()
    rows = version.members.defer("provenance").order_by("ordinal")
    expected = 0
    for member in rows.iterator(chunk_size=PAGE_MEMBERS):
        proof.members += 1
        expected += 1
        if member.ordinal != expected:
            yield f"member {expected} is missing"
            expected = member.ordinal
        found = digest_payload(member.payload)
        if found != member.payload_hash:
            yield (
                f"member {member.ordinal} was changed: its hash is {found[:12]}…, and"
                f" {member.payload_hash[:12]}… was stored"
            )
        manifest.add(member.ordinal, member.split, found)
    total = version.reports.get("members", {}).get("total")
    if total != expected:
        yield f"there are members up to {expected}, and {total} were frozen"
    proof.manifest_sha256 = manifest.seal(version.filter, version.rules_version)
    if proof.manifest_sha256 != version.manifest_sha256:
        yield (
            f"the manifest's hash is {proof.manifest_sha256}, and"
            f" {version.manifest_sha256} was stored"
        )
