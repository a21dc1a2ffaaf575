"""What can go wrong between us and a Label Studio server."""


class LabelStudioError(Exception):
    """Label Studio could not do what it was asked to."""


class Unreachable(LabelStudioError):
    """There was no usable answer: try again later."""


class Refused(LabelStudioError):
    """The server said no; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Busy(LabelStudioError):
    """Another process pushes to the same project: try again later."""
