"""Freeze and export few, then many reviewed pairs; print by how much the peak rose.

Run as a program on a database of its own, because memory counts for a whole process.
Every stage runs with the few first: what it rises by with the many is not hidden by
what a later stage, or a library, needs anyway.
"""

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import django

FEW, MANY = "few", "many"
# So many are stored at once.
PAGE = 100


def words(number: int, side: str) -> str:
    """Return a text of six kilobytes that shares no words with another one's."""
    return " ".join(f"{number}{side}{place:0>150}" for place in range(40))


def fill(name: str, number: int) -> None:
    """Store a project with a queue of decided pairs."""
    from django.contrib.auth import get_user_model

    from accounts.models import Project
    from curation.models import Queue
    from tests.curation.datasets.decided import decide

    person = get_user_model().objects.create_user(name)
    project = Project.objects.create(name=name)
    queue = Queue.objects.create(project=project, name="q")
    for start in range(0, number, PAGE):
        asked = [
            (
                {"messages": [{"role": "user", "content": words(one, "asked")}]},
                (words(one, "good"), words(one, "bad")),
            )
            for one in range(start, min(start + PAGE, number))
        ]
        decide(queue, person, asked, first=start)


def peak() -> int:
    """Return the most memory this process has needed so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def growth(run: Callable[[str], object]) -> int:
    """Do something with the few, then with the many; return the rise of the peak."""
    run(FEW)
    before = peak()
    run(MANY)
    return peak() - before


def main(few: int, many: int, folder: Path, profiles: list[str]) -> None:
    """Fill a database; freeze, verify, export."""
    os.environ["DATABASE_URL"] = ""
    os.environ["DATA_DIR"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "vllm_batch.settings"
    django.setup()
    from django.core.management import call_command

    from curation.exporters import hugging_face
    from tests.curation.datasets.reviewed import permit

    # The few fill several groups of rows too.
    hugging_face.GROUP_ROWS //= 10
    hugging_face.GROUP_CHARACTERS //= 10
    call_command("migrate", verbosity=0)
    permit()
    fill(FEW, few)
    fill(MANY, many)
    print(json.dumps(dict(measure(folder, profiles))))


def measure(folder: Path, profiles: list[str]) -> Iterator[tuple[str, int]]:
    """Freeze, verify and export; yield by how much each stage raised the peak."""
    from django.core.management import call_command

    options: dict[str, Any] = {"kind": "dpo", "test_ratio": 0.1}
    yield (
        "freeze",
        growth(
            lambda name: call_command("freeze_dataset", name, project=name, **options)
        ),
    )
    yield "verify", growth(lambda name: call_command("verify_dataset", name))
    for profile in profiles:
        yield profile, growth(partial(export, folder, profile))


def export(folder: Path, profile: str, name: str) -> None:
    from django.core.management import call_command

    output = folder / f"{name}-{profile}"
    call_command("export_dataset", name, profile=profile, output=output)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
