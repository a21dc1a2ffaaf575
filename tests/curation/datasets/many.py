"""Freeze and export so many reviewed pairs; print the memory it took, in KiB.

Run as a program on a database of its own, because memory counts for a whole process.
"""

import os
import resource
import sys
from pathlib import Path

import django


def words(number: int) -> str:
    """Return a text of a kilobyte that shares no words with another one's."""
    return " ".join(f"{number}w{place}" for place in range(120))


def asked(number: int) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": words(number)}]}


def fill(number: int) -> str:
    """Store a queue of decided pairs without walking through the pages."""
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from accounts.models import Project
    from curation.models import Candidate, Decision, Item, Queue, Review, Task
    from tests.factories import make_model

    make_model("m", may_train_others="yes")
    project = Project.objects.create(name="many")
    queue = Queue.objects.create(project=project, name="q")
    user = get_user_model().objects.create_user("r")
    for start in range(1, number + 1, 1000):
        ids = range(start, min(start + 1000, number + 1))
        Item.objects.bulk_create(
            Item(pk=n, project=project, input=asked(n), input_hash=f"{n:032}")
            for n in ids
        )
        Candidate.objects.bulk_create(
            Candidate(
                pk=2 * n + side, item_id=n, batch_id=f"b{side}", line=n, model="m",
                custom_id=f"c{n}", parameters_hash="", text_hash="",
                output={"role": "assistant", "content": words(2 * n + side)},
            )
            for n in ids for side in (0, 1)
        )  # fmt: skip
        Task.objects.bulk_create(
            Task(
                pk=n, queue=queue, item_id=n, candidate_ids=[2 * n, 2 * n + 1],
                candidates_hash="", state="done", open_slots=0, review_count=1,
            )
            for n in ids
        )  # fmt: skip
        Review.objects.bulk_create(
            Review(
                task_id=n, reviewer=user, shown_order=[2 * n, 2 * n + 1], outcome="win",
                winner_id=2 * n, status="submitted", submitted_at=timezone.now(),
            )
            for n in ids
        )  # fmt: skip
        Decision.objects.bulk_create(
            Decision(item_id=n, task_id=n, answer_candidate_id=2 * n, method="single")
            for n in ids
        )
    return project.name


def main(number: int, folder: Path, profiles: list[str]) -> None:
    """Fill a database, freeze, verify, export."""
    os.environ["DATABASE_URL"] = ""
    os.environ["DATA_DIR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "vllm_batch.settings"
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    project = fill(number)
    call_command("freeze_dataset", "d", project=project, kind="dpo", test_ratio=0.1)
    call_command("verify_dataset", "d")
    for profile in profiles:
        call_command("export_dataset", "d", profile=profile, output=folder / profile)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
