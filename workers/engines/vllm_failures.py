"""Why vLLM does not start, and whether another try could end otherwise."""

from typing import NoReturn

# By name, so that nothing heavy is loaded: pydantic's error for a bad argument, and
# what the Hugging Face hub says of a source that is not there or not for us.
_LASTING = {
    "BadArguments",
    "ValidationError",
    "RepositoryNotFoundError",
    "RevisionNotFoundError",
    "GatedRepoError",
    "HFValidationError",
}
# What else is said of a source that is not there, without an error of its own.
_LASTING_WORDS = ("is not a valid model identifier", "Invalid repository ID")


class BadArguments(Exception):
    """`vllm serve` would not take these arguments."""


def refuse_arguments(status: int = 0, message: str | None = None) -> NoReturn:
    """Raise what argparse would print before it ends the process."""
    text = (message or "").strip() or f"exit status {status}"
    raise BadArguments(text.partition(": error: ")[2] or text)


def is_lasting(error: BaseException) -> bool:
    """Tell whether the same start would fail again until something is changed.

    What happens in the engine's own process is told too vaguely to be sure.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        names = {kind.__name__ for kind in type(cause).__mro__}
        if names & _LASTING or any(words in str(cause) for words in _LASTING_WORDS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
