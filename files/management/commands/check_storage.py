"""`manage.py check_storage`: find out whether the storage does what is needed of it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from files.stores.examining import examine


class Command(BaseCommand):
    """Write, read, copy and delete two files of 13 MiB."""

    help = (
        "Try out whether the storage does what is needed of it: parts, ranges, copies,"
        " and writes that overwrite nothing. Leaves nothing behind."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what works; raises CommandError if something does not."""
        faults = 0
        for what, fault in examine():
            faults += bool(fault)
            self.stdout.write(f"no   {what}: {fault}" if fault else f"yes  {what}")
        if faults:
            raise CommandError(f"{faults} things do not work.")
        self.stdout.write("The storage does all that is needed of it.")
