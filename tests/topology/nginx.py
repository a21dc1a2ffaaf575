"""A real nginx with the configuration of docker/nginx, on a free port."""

import os
import socket
import subprocess
import time
from pathlib import Path
from string import Template

from tests.rig import debian
from tests.rig.ports import free_port
from tests.rig.process import ROOT, Process

SOURCE = ROOT / "docker" / "nginx"
PREFIX = "/_stored/"


def find_nginx() -> str:
    """Return nginx's path, installing Debian's package where that is allowed."""
    return debian.find("nginx", "nginx-light")


class Nginx:
    """Write the configuration into a folder, check it, start it, stop it."""

    def __init__(self, folder: Path, server: str, files: Path, **variables: str):
        self.folder = folder
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self.process: Process | None = None
        self._write(
            {
                "SERVER_ADDRESS": server,
                "NGINX_LISTEN": f"127.0.0.1:{self.port}",
                "FILES_FOLDER": str(files),
                "CLIENT_MAX_BODY_SIZE": "513m",
                "CONNECTIONS_PER_ADDRESS": "500",
                "FORWARDED_PROTO": "$scheme",
                **variables,
            }
        )

    def _write(self, variables: dict[str, str]) -> None:
        for name in ("conf.d", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        main = (SOURCE / "nginx.conf").read_text()
        main = main.replace("/tmp/nginx", str(self.folder / "run"))
        main = main.replace("/etc/nginx/conf.d", str(self.folder / "conf.d"))
        (self.folder / "nginx.conf").write_text(main)
        site = (SOURCE / "templates" / "vllm-batch.conf.template").read_text()
        # Like the image's envsubst: what is no variable of ours stays.
        site = Template(site).safe_substitute(variables)
        (self.folder / "conf.d" / "site.conf").write_text(site)

    @property
    def command(self) -> list[str]:
        """The command that starts it in the foreground."""
        # As root it would drop to www-data, who may not read the files.
        user = "user root; " if os.geteuid() == 0 else ""
        main = str(self.folder / "nginx.conf")
        return [find_nginx(), "-c", main, "-g", f"{user}daemon off;"]

    def check(self) -> str:
        """Return what `nginx -t` says."""
        done = subprocess.run(
            [*self.command, "-t"], capture_output=True, text=True, check=False
        )
        return done.stderr

    def start(self) -> "Nginx":
        """Start it and wait until it listens."""
        log = self.folder / "nginx.log"
        self.process = Process("nginx", self.command, env=os.environ, log=log)
        self.process.start()
        for _ in range(200):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.stop()
        raise AssertionError(self.process.output())

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.stop()
