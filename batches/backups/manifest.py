"""What a backup holds, written beside it."""

from pathlib import Path

import msgspec
from msgspec import Struct

from batches.backups.exceptions import BackupRefused

FORMAT = 1
NAME = "manifest.json"


class Stored(Struct, frozen=True):
    """A stored file: its name in the storage, its size, its hash if a row has it."""

    path: str
    bytes: int
    sha256: str = ""


class Manifest(Struct, frozen=True):
    """A backup's contents; a backup without one was never finished."""

    database: str
    taken_at: str
    stored: list[Stored]
    # Files the rows name whose bytes were deleted in the moment between the two steps.
    gone: list[str]
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        """The size of all stored files."""
        return sum(stored.bytes for stored in self.stored)

    def write(self, folder: Path) -> None:
        """Write it into the backup's folder."""
        (folder / NAME).write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read a backup's; raises BackupRefused."""
        try:
            manifest = msgspec.json.decode((folder / NAME).read_bytes(), type=cls)
        except OSError as error:
            raise BackupRefused(f"{folder} is no finished backup: {error}") from error
        except msgspec.DecodeError as error:
            raise BackupRefused(f"{folder / NAME} is damaged: {error}") from error
        if manifest.format != FORMAT:
            raise BackupRefused(f"This release cannot read format {manifest.format}.")
        return manifest
