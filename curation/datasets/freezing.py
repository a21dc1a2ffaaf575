"""Freeze a version: examples from what stands now, which never change again.

All in one transaction, seen at one moment. Items are read and members written in
pages, so memory does not grow with them.
"""

from collections import Counter
from collections.abc import Iterator

from django.db import IntegrityError, connection, transaction
from django.db.models import Max

from curation.audit.recording import SHELL, Actor, record
from curation.canonical import clean
from curation.datasets.choosing import chosen_items
from curation.datasets.conversations import Unusable
from curation.datasets.errors import DatasetError, NothingToFreeze
from curation.datasets.evidence import PAGE_ITEMS, Evidence, load
from curation.datasets.filter import Filter
from curation.datasets.hashing import Manifest, digest_payload
from curation.datasets.licences import check_licences, licences_of
from curation.datasets.provenance import provenance_of
from curation.datasets.reports import Meters, report_contamination, report_duplicates
from curation.datasets.rules import RULES_VERSION, Draft, draft, payload
from curation.datasets.splits import HELD_OUT, Splitter
from curation.models import Dataset, DatasetMember, DatasetVersion
from curation.models.audit_event import Action
from curation.models.dataset import Kind


class _Unchanged(Exception):
    """The version would be equal to the last one, which it names."""

    def __init__(self, last: DatasetVersion) -> None:
        super().__init__()
        self.last = last


def freeze(dataset: Dataset, chosen_by: Filter, by: Actor = SHELL) -> DatasetVersion:
    """Return a new version of what fits the filter now; the last one if it is equal.

    Raises NothingToFreeze, LeakageFound, Unlicensed; then nothing is stored.
    """
    try:
        with transaction.atomic():
            _see_one_moment()
            last = dataset.versions.order_by("number").last()
            version = _start(dataset, by)
            _Freezing(dataset, version, chosen_by).run()
            if last and last.manifest_sha256 == version.manifest_sha256:
                raise _Unchanged(last)
            _note(version, by)
    except _Unchanged as found:
        return found.last
    return version


def _note(version: DatasetVersion, by: Actor) -> None:
    count = version.reports["members"]["total"]
    detail = f"{count} examples, manifest {version.manifest_sha256}"
    project_id = version.dataset.project_id
    record(Action.FROZEN, by, version, project_id=project_id, detail=detail)


def _see_one_moment() -> None:
    """Let PostgreSQL show every statement the same reviews; SQLite always does."""
    is_outermost = len(connection.savepoint_ids) == 0
    if connection.vendor == "postgresql" and is_outermost:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _start(dataset: Dataset, by: Actor) -> DatasetVersion:
    """Take the next number; another freeze that wants it too waits and then fails."""
    number = dataset.versions.aggregate(n=Max("number"))["n"] or 0
    try:
        with transaction.atomic():
            return DatasetVersion.objects.create(
                dataset=dataset,
                number=number + 1,
                manifest_sha256="",
                rules_version=RULES_VERSION,
                created_by_id=by.id,
            )
    except IntegrityError as error:
        raise DatasetError(
            f"Somebody else froze {dataset} at the same time. Try again."
        ) from error


class _Freezing:
    """A version in the making."""

    def __init__(
        self, dataset: Dataset, version: DatasetVersion, chosen_by: Filter
    ) -> None:
        self._dataset, self._version, self._filter = dataset, version, chosen_by
        self._splitter = Splitter(dataset.project, chosen_by.seed, chosen_by.test_ratio)
        self._manifest, self._meters = Manifest(), Meters()
        self._skipped: Counter[str] = Counter()
        self._count = 0

    def run(self) -> None:
        """Write the members and seal the version."""
        ids = chosen_items(self._dataset, self._filter)
        for start in range(0, len(ids), PAGE_ITEMS):
            page = load(ids[start : start + PAGE_ITEMS], self._filter)
            self._write([member for one in page for member in self._members(one)])
        self._splitter.check()
        if not self._count:
            raise NothingToFreeze(self._why_nothing())
        self._seal()

    def _why_nothing(self) -> str:
        why = "; ".join(f"{count} {cause}" for cause, count in self._skipped.items())
        kind = self._dataset.kind
        said = f"Nothing fits: no decided review makes a row of {kind} here."
        return f"{said} Left out: {why}." if why else said

    def _members(self, evidence: Evidence) -> Iterator[DatasetMember]:
        kind = self._dataset.kind
        found = draft(kind, evidence)
        if found.contradictory:
            self._skipped["contradictory"] += found.contradictory
        for drafted in filter(self._is_wanted, found.drafts):
            split = self._splitter.split(evidence.cluster)
            if kind == Kind.ICL and split in HELD_OUT:
                self._skipped["held out for tests"] += 1
                continue
            try:
                neutral = clean(payload(kind, evidence, drafted))
            except Unusable as cause:
                self._skipped[str(cause)] += 1
                continue
            yield DatasetMember(
                version=self._version,
                split=split,
                payload=neutral,
                payload_hash=digest_payload(neutral),
                provenance=clean(provenance_of(evidence, drafted)),
            )

    def _is_wanted(self, drafted: Draft) -> bool:
        if not self._filter.models:
            return True
        candidate = drafted.imitated.candidate
        return candidate is not None and candidate.model in self._filter.models

    def _write(self, members: list[DatasetMember]) -> None:
        """Store a page of members; the same example again is left out."""
        hashes = [member.payload_hash for member in members]
        rows = DatasetMember.objects.filter(
            version=self._version, payload_hash__in=hashes
        )
        known = set(rows.values_list("payload_hash", flat=True))
        fresh = []
        for member in members:
            if member.payload_hash in known:
                self._skipped["duplicate"] += 1
                continue
            known.add(member.payload_hash)
            self._count += 1
            member.ordinal = self._count
            self._manifest.add(member.ordinal, member.split, member.payload_hash)
            self._meters.add(member)
            fresh.append(member)
        DatasetMember.objects.bulk_create(fresh, batch_size=100)

    def _seal(self) -> None:
        """Ask the gates, write the reports, and sign it all."""
        version, models = self._version, self._meters.models
        allowed: list[str] | None = None if self._filter.allow_unlicensed else []
        chosen_by = self._filter.with_unlicensed(check_licences(models, allowed))
        version.filter = chosen_by.as_json(self._dataset.kind)
        version.manifest_sha256 = self._manifest.seal(version.filter, RULES_VERSION)
        version.reports = {
            **self._meters.report(),
            "skipped": dict(self._skipped),
            "duplicates": report_duplicates(version, self._skipped["duplicate"]),
            "contamination": report_contamination(version, chosen_by.compare_with),
            "licences": licences_of(models),
        }
        version.save(update_fields=["filter", "manifest_sha256", "reports"])
