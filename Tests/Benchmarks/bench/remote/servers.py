"""The servers: SeaweedFS, and a Ceph cluster of one osd, each on loopback."""

import json
import secrets
import subprocess
from pathlib import Path

from ..system import Daemon, answers, free_ports, run

BUCKET = "bucket"


class S3Server:
    """SeaweedFS with one user. Elsewhere it would take nothing of this host: here it gets what
    processors the others leave to it (SCHED_IDLE), and lies in memory if `folder` does."""

    def __init__(self, folder: Path, weed: Path) -> None:
        folder.mkdir()
        self.user, self.password = "bench", secrets.token_hex(16)
        users = folder / "users.json"
        users.write_text(json.dumps({"identities": [{
            "name": self.user,
            "credentials": [{"accessKey": self.user, "secretKey": self.password}],
            "actions": ["Admin", "Read", "Write", "List"]}]}))
        names = [part + kind for part in ("master.port", "volume.port", "filer.port", "s3.port")
                 for kind in ("", ".grpc")]
        ports = dict(zip(names, free_ports(len(names))))
        data = folder / "objects"
        data.mkdir()
        self._daemon = Daemon(
            folder / "log",
            ["chrt", "--idle", "0", weed, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
             *(f"-{name}={port}" for name, port in ports.items()), "-s3", f"-s3.config={users}",
             "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-s3.autoCreateBucket",
             f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/filer.sock",
             "-master.telemetry=false", "-master.volumeSizeLimitMB=1024", "-volume.max=100",
             "-volume.minFreeSpace=1"])
        self._daemon.wait_until(lambda: answers(ports["s3.port"]))
        self._master = f"http://127.0.0.1:{ports['master.port']}"
        self.endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        self._daemon.wait_until(lambda: self._curl("-X", "PUT", f"{self.endpoint}/{BUCKET}"))

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return {"AWS_ACCESS_KEY_ID": self.user, "AWS_SECRET_ACCESS_KEY": self.password,
                "AWS_ENDPOINT_URL": self.endpoint}

    def signed(self, *options: object) -> list[object]:
        """A command of curl that signs what it sends."""
        return ["curl", "--silent", "--show-error", "--fail", "--aws-sigv4",
                "aws:amz:us-east-1:s3", "--user", f"{self.user}:{self.password}", *options]

    def _curl(self, *options: object) -> bool:
        words = [str(word) for word in self.signed("--output", "/dev/null", *options)]
        return subprocess.run(words, timeout=20, check=False,
                              stderr=subprocess.DEVNULL).returncode == 0

    def give_back(self) -> None:
        """Frees the space of what was deleted, which would else stay for a quarter of an hour."""
        run("curl", "--silent", "--show-error", "--fail",
            f"{self._master}/vol/vacuum?garbageThreshold=0.1", timeout=300)

    def stop(self) -> None:
        """Ends it."""
        self._daemon.end()


class Ceph:
    """One mon, one mgr, one osd, by the script that the tests use."""

    def __init__(self, folder: Path, script: Path) -> None:
        self._process = subprocess.Popen(
            [script, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline().strip() if self._process.stdout else ""
        if line != "ready":
            raise RuntimeError(f"the cluster did not start: {line}")
        self.conf = folder / "ceph.conf"
        self.pool = "bench"
        self.admin("osd", "pool", "create", self.pool, "8")
        self.admin("osd", "pool", "application", "enable", self.pool, "rbd")

    def admin(self, *words: object) -> str:
        """As the administrator."""
        return run("ceph", "-c", self.conf, *words)

    def stop(self) -> None:
        """Ends it, with all that it has."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=30)
