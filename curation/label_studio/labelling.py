"""The labelling configuration: what an annotator sees, and the names of its controls.

Only tags that the Community edition has. A change that breaks annotations is refused
by the server, so another configuration is another project: raise VERSION with it.
"""

from hashlib import sha256
from xml.etree import ElementTree

from curation.models.queue import Mode

VERSION = 1
VERDICT, GOLD, CORRECTION, PROMPT = "verdict", "gold", "correction", "prompt"
A_BETTER, B_BETTER, TIE, BOTH_BAD = "A better", "B better", "Tie", "Both bad"
GOOD, BAD = "Good", "Bad"
VERDICTS = {Mode.PAIR: (A_BETTER, B_BETTER, TIE, BOTH_BAD), Mode.SINGLE: (GOOD, BAD)}
SIDES = {Mode.PAIR: ("a", "b"), Mode.SINGLE: ("a",)}


def labelling_config(mode: str) -> str:
    """Return the configuration of a queue's project; KeyError for another mode."""
    kind = Mode(mode)
    view = ElementTree.Element("View")
    _add(view, "Text", name=PROMPT, value="$prompt")
    columns = " ".join("1fr" for _ in SIDES[kind])
    style = f"display:grid;grid-template-columns:{columns};gap:1em"
    answers = _add(view, "View", style=style)
    for side in SIDES[kind]:
        answer = _add(answers, "View")
        _add(answer, "Header", value=f"$name_{side}")
        _add(answer, "HyperText", name=side, value=f"$answer_{side}_html")
    verdict = _add(
        view, "Choices", name=VERDICT, toName=PROMPT, choice="single-radio",
        showInLine="true", required="true",
    )  # fmt: skip
    for key, value in enumerate(VERDICTS[kind], start=1):
        _add(verdict, "Choice", value=value, hotkey=str(key))
    gold = _add(view, "Choices", name=GOLD, toName=PROMPT, choice="multiple")
    _add(gold, "Choice", value=GOLD, hotkey="g")
    _add(view, "Header", value="Correction (only if you change the answer)")
    _add(
        view, "TextArea", name=CORRECTION, toName=PROMPT, rows="10",
        maxSubmissions="1", editable="true",
    )  # fmt: skip
    return ElementTree.tostring(view, encoding="unicode")


def _add(
    parent: ElementTree.Element, tag: str, **attributes: str
) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def config_hash(mode: str) -> str:
    """Return what tells one configuration from another."""
    return sha256(f"{VERSION}\0{labelling_config(mode)}".encode()).hexdigest()


def variables(config: str) -> set[str]:
    """Return the keys that each task's data must have: one missing fails an import."""
    values = (tag.get("value", "") for tag in ElementTree.fromstring(config).iter())  # noqa: S314 - our own text
    return {value[1:] for value in values if value.startswith("$")}
