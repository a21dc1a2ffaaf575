"""What can go wrong in curation; the text is for the person who asked."""


class CurationError(Exception):
    """The root: it could not be done, and the text says why and what to do."""


class UnknownQueue(CurationError):
    """No queue was named, or none can have this name."""


class UnsuitableFile(CurationError):
    """The file cannot be run or imported."""
