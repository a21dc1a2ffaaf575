"""The forms of a correction."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from curation.canonical import clean_text, digest
from curation.rerunning.prompts import Correction, Text

LONGEST_TEXT = 1_000_000


class TextField(forms.CharField):
    """A text that is kept as it was typed, but for what cannot be stored."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("widget", forms.Textarea(attrs={"rows": 6, "dir": "auto"}))
        super().__init__(
            strip=False, required=False, max_length=LONGEST_TEXT, **options
        )

    def to_python(self, value: Any) -> str:
        """Forms send line breaks as CR LF; prompts have LF."""
        text: str = super().to_python(value) or ""
        return clean_text(text.replace("\r\n", "\n"))


class SystemForm(forms.Form):
    """Another system text for many items."""

    system = TextField(
        label="New system text", help_text="Empty: the system text is taken out."
    )
    replaces = forms.ChoiceField(
        label="Instead of",
        required=False,
        help_text="Only prompts with this system text are corrected.",
    )

    def __init__(self, known: list[tuple[str, int]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known = {digest(text): text for text, _ in known}
        named = [
            (digest(text), f"{_start(text)} ({count} items)") for text, count in known
        ]
        choices = [("", "every system text"), *named]
        self.fields["replaces"].choices = choices  # type: ignore[attr-defined]

    def correction(self) -> Correction:
        """Return what was asked for."""
        chosen = self._known.get(self.cleaned_data["replaces"])
        return Correction(system=self.cleaned_data["system"], replaces=chosen)


def _start(text: str) -> str:
    words = " ".join(text.split())
    return f"{words[:70]}…" if len(words) > 70 else words or "none"


class TextsForm(forms.Form):
    """All texts of one item, and a system text if it has none."""

    def __init__(self, texts: list[Text], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._texts = [one for one in texts if one.is_editable]
        self._may_add = not any(one.role in ("system", "developer") for one in texts)
        if self._may_add:
            self.fields["system"] = TextField(label="system, none yet")
        for number, one in enumerate(self._texts):
            self.fields[f"text-{number}"] = TextField(
                label=one.role, initial=one.text.replace("\r\n", "\n")
            )

    def clean(self) -> dict[str, Any]:
        """Ask for a change."""
        fields: dict[str, Any] = super().clean() or {}
        if not self.errors and not fields.get("system") and not self.changed():
            raise ValidationError("Change a text first.")
        return fields

    def changed(self) -> bool:
        """Tell whether a text is another than the item's."""
        old = tuple(one.text for one in self._texts)
        return self._new() != old

    def _new(self) -> tuple[str, ...]:
        """Return the texts; one that only lost its CR is the old one."""
        pairs = enumerate(self._texts)
        typed = [(self.cleaned_data[f"text-{n}"], one.text) for n, one in pairs]
        return tuple(
            old if new == old.replace("\r\n", "\n") else new for new, old in typed
        )

    def correction(self) -> Correction:
        """Return what was asked for."""
        system = self.cleaned_data.get("system") or None
        return Correction(system=system, texts=self._new())
