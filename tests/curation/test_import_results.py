"""`manage.py import_results`: batches and other tools' files into a queue."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from curation.models import Candidate, Decision, Item, Revision, Task
from tests.curation.answered import counts, ended, queue
from tests.factories import make_project

pytestmark = pytest.mark.django_db
CHOSEN = {"prompt": "One?", "chosen": "Yes.", "rejected": "No."}
SEVERAL = {
    "id": "r1",
    "messages": [{"role": "user", "content": "Two?"}],
    "answers": [{"text": "A", "model": "m1"}, {"text": "B", "model": "m2"}, "C"],
}
SFT = {
    "messages": [
        {"role": "user", "content": "Three?"},
        {"role": "assistant", "content": "3"},
    ]
}


def call(*args: Any, **options: Any) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("import_results", *args, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def imported(tmp_path: Path, kind: str, *rows: Any, **options: Any) -> tuple[str, str]:
    """Import rows: lines, or for Label Studio one array."""
    path = tmp_path / "in"
    lines = [
        row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows
    ]
    joined = b"\n".join(lines)
    path.write_bytes(
        b"[" + b",".join(lines) + b"]" if kind == "label_studio" else joined
    )
    if not Item.objects.exists():
        make_project("ours")
    options = {"queue": "q", "project": "ours", "format": kind, **options}
    return call(str(path), **options)


def texts(task: Task) -> list[str]:
    rows = Candidate.objects.filter(pk__in=task.candidate_ids).order_by("line")
    return [row.text for row in rows]


def test_batches_are_imported_by_their_ids():
    project = make_project()
    one = ended({"One?": "Yes."}, project, metadata=None)
    two = ended({"One?": "No."}, project, model="other", metadata=None)

    said, _ = call(one.pk, two.pk, queue="q")

    assert "1 answers, 1 new tasks" in said and counts() == (1, 2, 1)
    call(one.pk, two.pk, queue="q")
    assert counts() == (1, 2, 1)


def test_a_batch_without_a_queue_is_refused():
    batch = ended({"One?": "Yes."}, metadata=None)

    with pytest.raises(CommandError, match="--queue"):
        call(batch.pk)


def test_a_queue_of_another_mode_is_refused():
    batch = ended({"One?": "Yes."}, metadata=None)
    call(batch.pk, queue="q", mode="single")

    with pytest.raises(CommandError, match="mode single"):
        call(batch.pk, queue="q", mode="pair")


def test_generic_rows_become_items_answers_and_tasks(tmp_path):
    said, errors = imported(tmp_path, "jsonl", CHOSEN, "", SEVERAL, SFT)

    assert "3 rows, 6 answers, 4 new tasks" in said and "1 rows were left" in said
    assert "row 2" in errors
    assert set(Candidate.objects.values_list("model", flat=True)) == {
        "imported 1",
        "imported 2",
        "imported 3",
        "m1",
        "m2",
    }


def test_the_same_file_again_changes_nothing(tmp_path):
    imported(tmp_path, "jsonl", CHOSEN, SEVERAL)
    before = counts(), Decision.objects.count()

    imported(tmp_path, "jsonl", CHOSEN, SEVERAL)

    assert (counts(), Decision.objects.count()) == before


def test_what_was_chosen_is_a_decision_and_comes_last(tmp_path):
    imported(tmp_path, "jsonl", CHOSEN, SEVERAL)

    decision = Decision.objects.get()
    assert decision.answer_candidate is not None
    assert decision.answer_candidate.text == "Yes." and decision.method == "import"
    last = Task.objects.order_by("-priority").last()
    assert last is not None and last.reasons[-1] == "decided before it was imported"


def test_the_whole_row_is_kept(tmp_path):
    row = {**CHOSEN, "annotator": "bob\0", "score": 3}

    imported(tmp_path, "jsonl", row)

    kept = Candidate.objects.get(line=1).manifest["import"]
    assert kept["row"] == 1 and kept["record"]["score"] == 3
    assert kept["record"]["annotator"] == "bob\ufffd"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 5000, "nested deeper"),
        (b"[1]", "no object"),
        (b'{"prompt": "x"}', "no answer"),
        (b'{"answers": ["x"]}', "neither 'prompt' nor"),
        (b'{"prompt": 5, "answer": "x"}', "there is no prompt"),
        (b'{"prompt": "x", "answer": 5}', "neither a text"),
        (b'{"prompt": "x", "answers": [{"model": "m"}]}', "neither 'text'"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_imported(tmp_path, line, why):
    _, errors = imported(tmp_path, "jsonl", SFT, line, CHOSEN)

    assert "row 2: " in errors and why in errors
    assert Item.objects.count() == 2


def test_openai_preferences_samples_and_eval_rows_are_read(tmp_path):
    asked = [{"role": "user", "content": "One?"}]
    message = {"role": "assistant", "content": "Yes."}
    preference = {
        "input": {"messages": asked, "tools": []},
        "preferred_output": [message],
        "non_preferred_output": [{"role": "assistant", "content": "No."}],
    }
    sample = {"input": asked, "ideal": ["Yes.", "Yep."]}
    item = {"question": "Two?", "correct_answer": "2"}
    said = {"model": "gpt", "output_text": "two"}

    _, errors = imported(
        tmp_path, "openai", preference, sample, {"item": item, "sample": said}, SFT
    )

    assert errors == "" and Item.objects.count() == 3
    assert Candidate.objects.count() == 7 and Decision.objects.count() == 2


def label(data: Any, *results: Any) -> dict[str, Any]:
    return {"id": 1, "data": data, "annotations": [{"result": list(results)}]}


def result(kind: str, **value: Any) -> dict[str, Any]:
    return {"from_name": kind, "to_name": kind, "type": kind, "value": value}


PAIR = {"prompt": "One?", "answer1": "Yes.", "answer2": "No."}
RANKED = {
    "prompt": "Two?",
    "items": [{"id": "a", "body": "A"}, {"id": "b", "body": "B"}],
}


@pytest.mark.parametrize(
    ("task", "chosen"),
    [
        (label(PAIR, result("pairwise", selected="right")), "No."),
        (label(PAIR, result("choices", choices=["A better"])), "Yes."),
        (label(PAIR, result("choices", choices=["Tie"])), None),
        (label(RANKED, result("ranker", ranker={"best": ["b", "a"]})), "B"),
        (label(PAIR, result("rating", rating=4)), None),
        (label(PAIR, 7, {"type": "pairwise", "value": {"selected": ["x"]}}), None),
    ],
)
def test_label_studio_tasks_keep_what_was_decided(tmp_path, task, chosen):
    _, errors = imported(tmp_path, "label_studio", task)

    assert errors == "" and Candidate.objects.count() == 2
    found = [one.answer_candidate for one in Decision.objects.all()]
    assert [one.text for one in found if one] == ([chosen] if chosen else [])


def test_label_studio_corrections_become_revisions(tmp_path):
    data = {"instruction": "One?", "response": "Yes"}
    task = label(data, result("textarea", text=["Yes, it is."]))

    imported(tmp_path, "label_studio", task)
    imported(tmp_path, "label_studio", task)

    revision = Revision.objects.get()
    assert revision.text == "Yes, it is." and revision.candidate is not None
    assert Decision.objects.get().answer_revision == revision


def test_a_broken_label_studio_file_gives_what_was_before_the_break(tmp_path):
    many = [label({**PAIR, "prompt": f"{n}?"}) for n in range(300)]

    _, errors = imported(tmp_path, "label_studio", *many, b'{"id": ')

    assert "row 301" in errors and Item.objects.count() == 300


def test_a_file_that_is_no_array_is_named(tmp_path):
    path = tmp_path / "in"
    path.write_text('{"a": 1}')
    make_project("ours")

    _, errors = call(str(path), queue="q", project="ours", format="label_studio")

    assert "no JSON array" in errors


def test_imported_and_own_answers_to_a_prompt_meet(tmp_path):
    project = make_project("ours")
    batch = ended({"One?": "Hm."}, project, metadata=None)
    call(batch.pk, queue="q")

    path = tmp_path / "in"
    path.write_text(json.dumps({"prompt": "One?", "answer": "Yes.", "model": "m"}))
    call(str(path), queue="q", project="ours", format="jsonl")

    assert counts() == (1, 2, 1) and texts(Task.objects.get()) != []
    assert queue().name == "q"
