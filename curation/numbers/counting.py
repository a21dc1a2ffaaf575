"""Count a queue's votes in SQL: what comes back is a few rows, however many there are.

Plain SQL, because the answers of a task stand in a JSON list, over which the ORM cannot
join. It is the same on PostgreSQL and SQLite but for how a list is read.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db import connection

from curation.models import Candidate, JudgeRun, JudgeVerdict, Queue, Review, Task

# What a vote can say: a place in the task's list of answers, or one of these.
TIE, BOTH_BAD, LATER = "tie", "both_bad", "later"
PLACES = ("0", "1", "2")
VERDICTS = (*PLACES, LATER, TIE, BOTH_BAD)

_VOTES = """
WITH votes AS (
  SELECT v.id, v.task_id, v.reviewer_id, v.shown_order, t.candidate_ids,
    CASE
      WHEN v.outcome <> 'win' THEN v.outcome
      WHEN v.winner_id = {first} THEN '0'
      WHEN v.winner_id = {second} THEN '1'
      WHEN v.winner_id = {third} THEN '2'
      ELSE 'later'
    END AS verdict,
    v.winner_id
  FROM {review} v JOIN {task} t ON t.id = v.task_id
  WHERE t.queue_id = %s AND t.state <> 'void' AND v.status = 'submitted'
    AND v.outcome IN ('win', 'tie', 'both_bad')
)"""
_MEETINGS = """
SELECT l.model, l.model_revision, l.parameters_hash, l.parent_id IS NOT NULL,
  r.model, r.model_revision, r.parameters_hash, r.parent_id IS NOT NULL,
  r.parent_id IS NOT NULL AND r.parent_id = l.id, votes.verdict, COUNT(*)
FROM votes JOIN {candidate} l ON l.id = {first} JOIN {candidate} r ON r.id = {second}
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"""
_SINGLES = """
SELECT l.model, l.model_revision, l.parameters_hash, l.parent_id IS NOT NULL,
  votes.verdict, COUNT(*)
FROM votes JOIN {candidate} l ON l.id = {first}
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""
_SIDES = """
SELECT reviewer_id,
  SUM(CASE WHEN winner_id = {left} THEN 1 ELSE 0 END),
  SUM(CASE WHEN winner_id IS NOT NULL THEN 1 ELSE 0 END), COUNT(*)
FROM votes GROUP BY reviewer_id ORDER BY 4 DESC, 1"""
_UNITS = """, units AS (
  SELECT {sums}, COUNT(*) AS votes FROM votes GROUP BY task_id
)
SELECT {names}, COUNT(*) FROM units WHERE votes > 1 GROUP BY {names}"""
_RATERS = """
SELECT a.reviewer_id, b.reviewer_id, a.verdict, b.verdict, COUNT(*)
FROM votes a JOIN votes b ON b.task_id = a.task_id AND a.reviewer_id < b.reviewer_id
GROUP BY 1, 2, 3, 4"""
_JUDGED = """, units AS (
  SELECT task_id, {sums} FROM votes GROUP BY task_id
), said AS (
  SELECT g.model, g.prompt_hash, j.run_id, j.task_id,
    CASE WHEN j.outcome <> 'win' THEN j.outcome
      WHEN j.winner_id = {first} THEN '0' ELSE '1' END AS word
  FROM {verdict} j JOIN {run} g ON g.id = j.run_id JOIN {task} t ON t.id = j.task_id
  WHERE t.queue_id = %s
), judged AS (
  SELECT model, prompt_hash, task_id, MIN(word) AS low, MAX(word) AS high
  FROM said GROUP BY model, prompt_hash, run_id, task_id HAVING COUNT(*) = 2
)
SELECT model, prompt_hash, low, high, {names}, COUNT(*)
FROM judged JOIN units ON units.task_id = judged.task_id
GROUP BY model, prompt_hash, low, high, {names}"""


class Origin(NamedTuple):
    """Who gave an answer; `is_after`: to a prompt that was corrected."""

    model: str
    revision: str
    parameters_hash: str
    is_after: bool


class Met(NamedTuple):
    """How often a vote of two answers' origins ended so.

    `is_before_after`: the second is the first one's prompt corrected and run again.
    """

    first: Origin
    second: Origin
    is_before_after: bool
    verdict: str
    times: int


class Sides(NamedTuple):
    """A reviewer's votes, those with a winner, and those for the left answer."""

    reviewer_id: Any
    left: int
    wins: int
    votes: int


class Judged(NamedTuple):
    """What a judge said in both orders of so many tasks, with the people's votes."""

    model: str
    prompt_hash: str
    words: tuple[str, str]
    votes: tuple[int, ...]
    tasks: int


def meetings(queue: Queue) -> Iterator[Met]:
    """Yield the votes on pairs, by origin and verdict."""
    for row in _rows(_VOTES + _MEETINGS, queue):
        yield Met(_origin(row), _origin(row[4:]), bool(row[8]), row[9], row[10])


def singles(queue: Queue) -> Iterator[tuple[Origin, str, int]]:
    """Yield the votes on single answers, by origin and verdict."""
    for row in _rows(_VOTES + _SINGLES, queue):
        yield _origin(row), row[4], row[5]


def _origin(row: Sequence[Any]) -> Origin:
    return Origin(row[0], row[1], row[2], bool(row[3]))


def rankings(queue: Queue) -> Iterator[list[int]]:
    """Yield each ranking, the best answer first."""
    found = Review.objects.filter(task__queue=queue, status="submitted", outcome="win")
    kept = found.exclude(task__state="void").exclude(ranking=None).order_by("pk")
    for ranking in kept.values_list("ranking", flat=True).iterator(chunk_size=2000):
        yield list(ranking or [])


def sides(queue: Queue) -> list[Sides]:
    """Return what each reviewer picked, those with the most votes first."""
    return [Sides(*row) for row in _rows(_VOTES + _SIDES, queue)]


def units(queue: Queue) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the votes of tasks that several judged, by verdict, and how many tasks."""
    for row in _rows(_VOTES + _UNITS, queue):
        yield tuple(map(int, row[:-1])), row[-1]


def raters(queue: Queue) -> Iterator[tuple[Any, Any, str, str, int]]:
    """Yield how often two reviewers gave two verdicts on the same task."""
    for row in _rows(_VOTES + _RATERS, queue):
        yield row[0], row[1], row[2], row[3], row[4]


def judged(queue: Queue) -> Iterator[Judged]:
    """Yield what judges and people said of the same tasks."""
    for row in _rows(_VOTES + _JUDGED, queue, queue.pk):
        words = row[2], row[3]
        yield Judged(row[0], row[1], words, tuple(map(int, row[4:-1])), row[-1])


def _rows(query: str, queue: Queue, *more: int) -> list[tuple[Any, ...]]:
    sums = [
        f"SUM(CASE WHEN verdict = '{verdict}' THEN 1 ELSE 0 END) AS n{number}"
        for number, verdict in enumerate(VERDICTS)
    ]
    # Only names of tables and columns are put in; values are parameters.
    sql = query.format(
        review=Review._meta.db_table,
        task=Task._meta.db_table,
        candidate=Candidate._meta.db_table,
        verdict=JudgeVerdict._meta.db_table,
        run=JudgeRun._meta.db_table,
        first=_at("candidate_ids", 0),
        second=_at("candidate_ids", 1),
        third=_at("candidate_ids", 2),
        left=_at("shown_order", 0),
        sums=", ".join(sums),
        names=", ".join(f"n{number}" for number in range(len(VERDICTS))),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [queue.pk, *more])
        return list(cursor.fetchall())


def _at(column: str, place: int) -> str:
    """Return the SQL of a number in a JSON list."""
    if connection.vendor == "sqlite":
        return f"json_extract({column}, '$[{place}]')"
    return f"CAST({column} ->> {place} AS bigint)"
