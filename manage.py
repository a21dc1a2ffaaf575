#!/usr/bin/env python
"""Run the project's commands: `manage.py help` lists them."""

import os
import sys


def main() -> None:
    """Hand the command line to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vllm_batch.settings")
    # A command needs one connection, and its statements may take their time.
    os.environ.update(DATABASE_POOL="false", DATABASE_STATEMENT_SECONDS="0")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


# vLLM starts child processes by spawn, and a spawned child imports this file again.
if __name__ == "__main__":
    main()
