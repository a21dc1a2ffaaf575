"""All numbers of a queue, as the page, the CSV and the JSON show them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model

from curation.models import Queue
from curation.models.queue import Mode
from curation.numbers import counting
from curation.numbers.counting import BOTH_BAD, PLACES, TIE, VERDICTS
from curation.numbers.records import Judge, Numbers, Pair, Reviewer
from curation.numbers.standings import changes, meetings, singles, standings
from curation.statistics.agreement import Units, agreement, cohen_kappa, square
from curation.statistics.intervals import wilson

# Pairs of reviewers that are shown: those with the most tasks in common.
MOST_PAIRS = 50
JUDGE_SAYS = ("first", "second", TIE)


def numbers_of(queue: Queue) -> Numbers:
    """Count and reckon; for a lead's eyes, since models are named."""
    sides = counting.sides(queue)
    names = _names([side.reviewer_id for side in sides])
    met = list(meetings(queue))
    table, is_connected, is_decided = standings(met)
    if queue.mode == Mode.SINGLE:
        table = singles(queue)
    return Numbers(
        queue=queue.name,
        mode=queue.mode,
        votes=sum(side.votes for side in sides),
        standings=table,
        is_connected=is_connected,
        is_decided=is_decided,
        changes=changes(met),
        reviewers=[
            Reviewer(
                names(side.reviewer_id),
                side.votes,
                side.wins,
                wilson(side.left, side.wins) if queue.mode == Mode.PAIR else None,
            )
            for side in sides
        ],
        agreement=agreement(Units(*row) for row in counting.units(queue)),
        pairs=_pairs(queue, names),
        judges=_judges(queue),
    )


def _names(keys: Iterable[Any]) -> Callable[[Any], str]:
    users = get_user_model()
    to_key = users._meta.pk.to_python
    found = {
        user.pk: user.get_username()
        for user in users._default_manager.filter(pk__in=list(keys))
    }
    return lambda key: found.get(to_key(key), str(key))


def _pairs(queue: Queue, names: Callable[[Any], str]) -> list[Pair]:
    counts: dict[tuple[Any, Any], Counter[tuple[str, str]]] = {}
    for one, other, says, replies, count in counting.raters(queue):
        counts.setdefault((one, other), Counter())[says, replies] += count
    most = sorted(counts, key=lambda pair: (-counts[pair].total(), str(pair)))
    found = []
    for pair in most[:MOST_PAIRS]:
        table = square(counts[pair], VERDICTS)
        tasks = counts[pair].total()
        same = sum(row[i] for i, row in enumerate(table))
        both = names(pair[0]), names(pair[1])
        found.append(Pair(both, tasks, wilson(same, tasks), cohen_kappa(table)))
    return found


def _judges(queue: Queue) -> list[Judge]:
    tables: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    flips: Counter[tuple[str, str]] = Counter()
    totals: Counter[tuple[str, str]] = Counter()
    for row in counting.judged(queue):
        key = row.model, row.prompt_hash
        totals[key] += row.tasks
        flips[key] += row.tasks * (row.words[0] != row.words[1])
        majority = _majority(row.votes)
        if majority is not None:
            table = tables.setdefault(key, Counter())
            table[_judge_says(row.words), majority] += row.tasks
    found = []
    for key in sorted(totals):
        said = square(tables.get(key, {}), JUDGE_SAYS)
        tasks = sum(map(sum, said))
        same = sum(row[i] for i, row in enumerate(said))
        contested = wilson(flips[key], totals[key])
        kappa = cohen_kappa(said)
        found.append(Judge(*key, tasks, contested, said, wilson(same, tasks), kappa))
    return found


def _judge_says(words: tuple[str, str]) -> str:
    """Return a judge's opinion: what it said in both orders, else a tie."""
    says = {PLACES[0]: JUDGE_SAYS[0], PLACES[1]: JUDGE_SAYS[1]}
    return says.get(words[0], TIE) if words[0] == words[1] else TIE


def _majority(votes: Sequence[int]) -> str | None:
    """Return what more than half say; bad answers are as good as each other."""
    counts = dict(zip(VERDICTS, votes, strict=True))
    verdicts = {
        JUDGE_SAYS[0]: counts[PLACES[0]],
        JUDGE_SAYS[1]: counts[PLACES[1]],
        TIE: counts[TIE] + counts[BOTH_BAD],
    }
    name = max(verdicts, key=lambda verdict: verdicts[verdict])
    return name if 2 * verdicts[name] > sum(votes) else None
