"""Why a dataset could not be frozen, exported or found; the text says what to do."""

from curation.exceptions import CurationError


class DatasetError(CurationError):
    """The root of what can go wrong with datasets."""


class UnknownDataset(DatasetError):
    """No dataset, version or project has this name."""


class NothingToFreeze(DatasetError):
    """No review or decision fits the filter."""


class LeakageFound(DatasetError):
    """Prompts to train with are near-duplicates of prompts to test with."""


class Unlicensed(DatasetError):
    """A source model's outputs may not train others, or nobody knows."""


class UnsuitableProfile(DatasetError):
    """The profile is unknown, or none for this kind of dataset."""


class InvalidExamples(DatasetError):
    """The consumer would refuse or spoil some rows; `report` has all of it."""

    def __init__(self, message: str, report: dict[str, object]) -> None:
        super().__init__(message)
        self.report = report
