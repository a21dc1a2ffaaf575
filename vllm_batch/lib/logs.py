"""How the project logs: one line an event, to standard error."""

from typing import Any


def logging_settings(level: str) -> dict[str, Any]:
    """Return Django's LOGGING for the given lowest level."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "format": "%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s"
            }
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line"}
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # The queue logs every doorbell; only its troubles matter.
            "django-q": {"level": "WARNING"},
            "django.server": {"level": level},
        },
    }
