"""Why a plan cannot be made."""


class CannotPlan(Exception):
    """The memory of a model cannot be planned."""


class BadConfig(CannotPlan):
    """A file of the model is not what it should be."""
