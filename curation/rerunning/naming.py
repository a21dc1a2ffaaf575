"""Custom ids of lines that we write, which tell what the answer belongs to. Pure."""

ANSWER, GOLD = "answer", "gold"
MOST_DIGITS = 18


def name_of(kind: str, number: int) -> str:
    """Return the custom id of a line about a row of ours."""
    return f"{kind}-{number}"


def number_of(kind: str, custom_id: str) -> int | None:
    """Return the row's number, None for an id that is none of ours."""
    own, _, number = custom_id.partition("-")
    if own != kind or not (number.isascii() and number.isdigit()):
        return None
    return int(number) if len(number) <= MOST_DIGITS else None
