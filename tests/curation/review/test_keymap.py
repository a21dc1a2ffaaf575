"""One table of keys: no key twice, and the documentation has the same."""

import re

import pytest

from curation.models.queue import Mode
from curation.review.keymap import BINDINGS, LEAD, bindings
from tests.rig.process import ROOT


@pytest.mark.parametrize("mode", Mode.values)
def test_no_key_means_two_things(mode):
    keys = [key for binding in bindings(mode) for key in binding.keys]

    assert len(keys) == len(set(keys))


def test_a_leads_keys_are_documented_and_mean_one_thing():
    page = (ROOT / "docs" / "how-to" / "review.md").read_text()
    table = page.split("| key | what it does for a lead |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (.+) \| (.+) \|$", table, flags=re.M)
    keys = [key for binding in LEAD for key in binding.keys]

    assert rows == [(" ".join(one.caps), one.label) for one in LEAD]
    assert len(keys) == len(set(keys))


def test_the_documentation_has_the_same_keys():
    page = (ROOT / "docs" / "how-to" / "review.md").read_text()
    modes = r"((?:pair|rank|single| )+)"
    rows = re.findall(rf"^\| (.+) \| (.+) \| {modes} \|$", page, flags=re.M)

    assert rows == [
        (" ".join(one.caps), one.label, " ".join(one.modes)) for one in BINDINGS
    ]
