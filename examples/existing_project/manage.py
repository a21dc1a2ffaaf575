#!/usr/bin/env python
"""Run the shop's commands."""

import os
import sys


def main() -> None:
    """Hand the command line to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


# vLLM starts child processes by spawn, and a spawned child imports this file again.
if __name__ == "__main__":
    main()
