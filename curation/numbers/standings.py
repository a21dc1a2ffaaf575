"""Which models do better: their votes, and strengths from who met whom."""

from collections import Counter
from collections.abc import Iterable, Sequence

from curation.models import Candidate, Queue
from curation.models.queue import Mode
from curation.numbers import counting
from curation.numbers.counting import PLACES, Met, Origin
from curation.numbers.records import Change, Record, Standing
from curation.statistics.bradley_terry import Meeting, fit


def meetings(queue: Queue) -> Iterable[Met]:
    """Yield the queue's votes on two answers; a ranking is many of them."""
    if queue.mode == Mode.PAIR:
        yield from counting.meetings(queue)
    elif queue.mode == Mode.RANK:
        yield from _of_rankings(counting.rankings(queue))


def _of_rankings(rankings: Iterable[list[int]]) -> Iterable[Met]:
    """Yield every two answers of a ranking as a vote for the one before the other."""
    ids: Counter[tuple[int, int]] = Counter()
    for ranking in rankings:
        for place, better in enumerate(ranking):
            ids.update((better, worse) for worse in ranking[place + 1 :])
    fields = ("model", "model_revision", "parameters_hash", "parent_id")
    rows = Candidate.objects.filter(pk__in={pk for pair in ids for pk in pair})
    origins = {
        pk: Origin(model, revision, parameters, parent is not None)
        for pk, model, revision, parameters, parent in rows.values_list("pk", *fields)
    }
    counts: Counter[tuple[Origin, Origin]] = Counter()
    for (better, worse), count in ids.items():
        if better in origins and worse in origins:
            counts[origins[better], origins[worse]] += count
    for (better_one, other), count in counts.items():
        yield Met(better_one, other, False, PLACES[0], count)


def labels(origins: Iterable[Origin]) -> dict[Origin, str]:
    """Name origins by their models, with as much beside it as tells them apart."""
    known = sorted(set(origins))
    found = {}
    for one in known:
        same = [other for other in known if other.model == one.model]
        parts = [one.model]
        if len({other.revision for other in same}) > 1:
            parts.append(f"revision {one.revision[:12] or '?'}")
        if len({other.parameters_hash for other in same}) > 1:
            parts.append(f"parameters {one.parameters_hash[:6] or '?'}")
        if len({other.is_after for other in same}) > 1 and one.is_after:
            parts.append("corrected prompt")
        found[one] = ", ".join(parts)
    return found


def singles(queue: Queue) -> list[Standing]:
    """Return how often each model's answers were called good."""
    found = list(counting.singles(queue))
    named = labels(origin for origin, _, _ in found)
    records: dict[str, Record] = {}
    for origin, verdict, count in found:
        record = records.setdefault(named[origin], Record())
        record.add(verdict, PLACES[0], count)
    table = [Standing(name, None, record) for name, record in records.items()]
    return sorted(table, key=lambda one: (-_share(one), one.name))


def _share(standing: Standing) -> float:
    return standing.record.wins / standing.record.votes


def standings(met: Sequence[Met]) -> tuple[list[Standing], bool, bool | None]:
    """Return the table, whether all were compared, and whether it is decided."""
    between = [
        one for one in met if not one.is_before_after and one.first != one.second
    ]
    named = labels(origin for one in between for origin in (one.first, one.second))
    order = sorted(named, key=lambda origin: named[origin])
    numbers = {origin: number for number, origin in enumerate(order)}
    if not order:
        return [], True, None
    records, couples = _tally(between, numbers)
    strengths = fit(
        len(order),
        [
            Meeting(*couple, record.wins, record.losses, record.ties + record.both_bad)
            for couple, record in couples.items()
        ],
    )
    best = sorted(range(len(order)), key=lambda i: -strengths.values[i])
    found = [Standing(named[order[i]], strengths.rating(i), records[i]) for i in best]
    is_connected = _is_connected(len(order), couples)
    lead = strengths.lead(best[0], best[1])
    return found, is_connected, is_connected and lead.low > 0


def _tally(
    between: Iterable[Met], numbers: dict[Origin, int]
) -> tuple[list[Record], dict[tuple[int, int], Record]]:
    """Return each model's votes, and those of every two that met."""
    records = [Record() for _ in numbers]
    couples: dict[tuple[int, int], Record] = {}
    for one in between:
        first, second = numbers[one.first], numbers[one.second]
        records[first].add(one.verdict, PLACES[0], one.times)
        records[second].add(one.verdict, PLACES[1], one.times)
        low, high = sorted((first, second))
        own = PLACES[0] if low == first else PLACES[1]
        couples.setdefault((low, high), Record()).add(one.verdict, own, one.times)
    return records, couples


def _is_connected(count: int, couples: Iterable[tuple[int, int]]) -> bool:
    """Tell whether every model was compared with every other, if by way of others."""
    group = list(range(count))
    for first, second in couples:
        old, new = group[second], group[first]
        group = [new if one == old else one for one in group]
    return len(set(group)) <= 1


def changes(met: Sequence[Met]) -> list[Change]:
    """Return how answers to corrected prompts do against those before."""
    pairs = [one for one in met if one.is_before_after]
    named = labels(one.first._replace(is_after=False) for one in pairs)
    records: dict[str, Record] = {}
    for one in pairs:
        name = named[one.first._replace(is_after=False)]
        records.setdefault(name, Record()).add(one.verdict, PLACES[1], one.times)
    return [Change(name, records[name]) for name in sorted(records)]
