"""Near-duplicate prompts are of one family."""

import pytest
from django.core.management import CommandError, call_command
from django_q.models import OrmQ

from curation.models import Item
from curation.ordering.tasks import find_families
from tests.curation.answered import ended, handled, two_models
from tests.factories import make_project

pytestmark = pytest.mark.django_db
TEXT = " ".join(f"word{number}" for number in range(80))


def families(*prompts: str) -> list[str]:
    """Return the families of these prompts, by number in the order of appearance."""
    project = make_project()
    handled(ended(dict.fromkeys(prompts, "x"), project))
    find_families(project.pk)
    found = list(Item.objects.order_by("pk").values_list("input", "family"))
    by_prompt = {one["messages"][0]["content"]: family for one, family in found}
    return [by_prompt[prompt] for prompt in prompts]


def test_prompts_that_differ_in_a_word_are_one_family():
    one, other, stranger = families(TEXT, f"{TEXT} more", "Something else at all?")

    assert one == other != stranger and stranger


def test_prompts_without_words_have_families_too():
    assert len(set(families("?", "!", "", "日本語"))) == 4


def test_a_family_keeps_its_name_when_others_join():
    project = make_project()
    handled(ended({TEXT: "x"}, project))
    find_families(project.pk)
    (name,) = Item.objects.values_list("family", flat=True)

    handled(ended({f"{TEXT} more": "x"}, project))
    find_families(project.pk)

    assert set(Item.objects.values_list("family", flat=True)) == {name}


def test_new_answers_ring_for_it():
    two_models()

    rung = [q.func() for q in OrmQ.objects.all()]
    assert "curation.ordering.tasks.find_families" in rung


def test_the_command_clusters_a_project(capsys):
    project = two_models()

    call_command("find_families", project=project.name)

    assert "2 families" in capsys.readouterr().out
    with pytest.raises(CommandError):
        call_command("find_families", project="nobody's")
