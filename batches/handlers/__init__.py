"""What happens with the results of an ended batch: `base.py` is the plug-in's manual.

A handler is a class in an installed app's `result_handlers.py`, marked `@register`, or
one that the setting RESULT_HANDLERS names.
"""

from batches.handlers.base import BatchMetadata, GiveUp, Result, ResultHandler, Results
from batches.handlers.registry import register

__all__ = [
    "BatchMetadata",
    "GiveUp",
    "Result",
    "ResultHandler",
    "Results",
    "register",
]
