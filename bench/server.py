"""What PostgreSQL itself says and spends, asked past Django."""

from pathlib import Path
from typing import Any

import psycopg

from bench.processes import tree_cpu


class Server:
    """The server behind one database's address."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Its data folder tells the process whose children are all the backends.
        (folder,) = self.rows("SHOW data_directory")[0]
        pid = Path(folder, "postmaster.pid").read_text().split()[0]
        self._pid = int(pid)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            return connection.execute(sql.encode(), values or None).fetchall()

    def cpu(self) -> float:
        """Return the processor seconds of all its processes, ended ones too."""
        return tree_cpu(self._pid)

    def transactions(self) -> int:
        """Return how many were committed in this database so far."""
        sql = (
            "SELECT xact_commit FROM pg_stat_database"
            " WHERE datname = current_database()"
        )
        count: int = self.rows(sql)[0][0]
        return count
