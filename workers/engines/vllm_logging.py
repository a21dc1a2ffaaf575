"""Our loggers beside vLLM's."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loggers_kept() -> Iterator[None]:
    """Undo what vLLM's start does to loggers not its own: switched off, or silenced."""
    level = logging.root.level
    loggers = [
        logger
        for logger in logging.root.manager.loggerDict.values()
        if isinstance(logger, logging.Logger) and not logger.disabled
    ]
    try:
        yield
    finally:
        logging.root.setLevel(level)
        for logger in loggers:
            logger.disabled = False
