"""The compact set of custom_ids."""

from batches.seen import SeenTexts


def test_it_knows_what_it_has_seen_and_nothing_else():
    seen = SeenTexts()

    first = [seen.add(f"id-{number}") for number in range(20_000)]
    again = [seen.add(f"id-{number}") for number in range(20_000)]
    other = [seen.add(f"other-{number}") for number in range(20_000)]

    assert not any(first) and all(again) and not any(other)


def test_it_takes_a_fraction_of_a_sets_memory():
    seen = SeenTexts()
    for number in range(100_000):
        seen.add(f"request-{number}")

    assert seen._slots.itemsize * len(seen._slots) <= 4 << 20
