"""Why no backup was made or restored."""


class BackupRefused(Exception):
    """Nothing was changed; the message says what to do."""
