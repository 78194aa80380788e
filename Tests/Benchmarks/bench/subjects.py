"""What is compared: each subject shows one file of the same size, whichever way it keeps it."""

import json
import os
import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from .system import Daemon, Failure, answers, free_ports, is_mounted, run, unmount


@dataclass(frozen=True)
class Tools:
    """The programs that the run script built or fetched."""

    sealdisk: Path
    limit: Path
    weed: Path | None


class Subject(ABC):
    """One way to keep a file, in a folder of its own."""

    name: str
    note: str
    is_peer = False
    """Whether it is another program that encrypts."""

    def __init__(self, folder: Path, size: int, tools: Tools) -> None:
        self.folder = folder / self.name
        self.size = size
        self.tools = tools
        self.path = self.folder / "disk"
        self.mount_point = self.folder / "mount"
        self._daemons: list[Daemon] = []

    @property
    def pids(self) -> list[int]:
        """The processes that serve it."""
        return [daemon.pid for daemon in self._daemons]

    def start(self) -> None:
        """Makes `path` a file that can be read and written."""
        self.mount_point.mkdir(parents=True)
        self.set_up()

    @abstractmethod
    def set_up(self) -> None:
        """What `start` means for this one."""

    def stop(self) -> None:
        """Takes it away, whatever state it is in."""
        unmount(self.mount_point)
        for daemon in reversed(self._daemons):
            daemon.await_end()

    def serve(self, *command: object, mount_point: Path | None = None, **options) -> None:
        """Starts the server and waits until its mount is there."""
        point = mount_point or self.mount_point
        daemon = Daemon(self.folder / "log", command, **options)
        self._daemons.append(daemon)
        daemon.wait_until(lambda: is_mounted(point))

    def make_secret(self) -> Path:
        """A file with a passphrase."""
        path = self.folder / "passphrase"
        path.write_text(secrets.token_hex(16))
        return path


class File(Subject):
    """A plain file: what the file system below can do."""

    name = "file"
    note = "a plain file beside the others"

    def set_up(self) -> None:
        run("truncate", "-s", self.size, self.path)


class Fuse(Subject):
    """limit.c: what libfuse can do when there is nothing else to be done."""

    name = "fuse"
    note = "limit.c: a FUSE server of one pread or pwrite a request"

    def set_up(self) -> None:
        backing = self.folder / "backing"
        run("truncate", "-s", self.size, backing)
        self.serve(self.tools.limit, *self.options(), backing, self.mount_point)
        self.path = self.mount_point / "disk"

    def options(self) -> list[object]:
        """Options of limit.c."""
        return []


class Gcm(Fuse):
    """limit.c with AES-256-GCM: the least that encryption costs."""

    name = "gcm"
    note = "the same with AES-256-GCM of each 4 KiB in place, tags in a second file"

    def options(self) -> list[object]:
        return ["--tags", self.folder / "tags"]


class SealDisk(Subject):
    """A disk of SealDisk, in a store and a mount of its own."""

    def set_up(self) -> None:
        self.make_store()
        self.mount()
        self._command("disk", "create", "disk", "--size", f"{self.size >> 10}KiB",
                      f"--{self.name}")
        self._command("disk", "attach", "disk")
        self.path = self.mount_point / "disks" / "disk"

    def make_store(self) -> None:
        """Makes the store and its keystore."""
        self.store = self.folder / "store"
        self._environment = os.environ | {
            "SEALDISK_KEYSTORE": str(self.folder / "keystore.json"),
            "SEALDISK_STORE": str(self.store),
            "SEALDISK_ANCHOR": f"{self.folder}/anchors/",
        }
        self._command("init", self.store)
        self._command("kms", "activate", "--key-file", self.folder / "key")

    def mount(self) -> None:
        """Mounts the store."""
        self.serve(self.tools.sealdisk, "mount", "--foreground", self.store, self.mount_point,
                   env=self._environment)

    def _command(self, *words: object) -> None:
        run(self.tools.sealdisk, *words, env=self._environment)


class Plain(SealDisk):
    """A disk without encryption."""

    name = "plain"
    note = "a SealDisk disk without encryption"


class Encrypted(SealDisk):
    """What this is about."""

    name = "encrypted"
    note = "a SealDisk disk with encryption"


class Gocryptfs(Subject):
    """gocryptfs: AES-256-GCM of 4 KiB blocks behind FUSE, in Go."""

    name = "gocryptfs"
    note = "a file in a gocryptfs folder (AES-256-GCM, FUSE)"
    is_peer = True

    def set_up(self) -> None:
        cipher, secret = self.folder / "cipher", self.make_secret()
        cipher.mkdir()
        run("gocryptfs", "-init", "-quiet", "-passfile", secret, cipher)
        self.serve("gocryptfs", "-fg", "-quiet", "-passfile", secret, cipher, self.mount_point)
        self.path = self.mount_point / "disk"
        run("truncate", "-s", self.size, self.path)


class Luks(Subject):
    """QEMU's LUKS driver behind its FUSE export: AES-XTS, in C, without integrity."""

    name = "luks"
    note = "a LUKS image (AES-XTS, no integrity) that qemu-storage-daemon shows over FUSE"
    is_peer = True

    def set_up(self) -> None:
        secret, image = f"secret,id=secret,file={self.make_secret()}", self.folder / "image"
        self._create(secret, image, self.size)
        self.path.touch()
        self.mount_point = self.path
        self.serve(
            "qemu-storage-daemon", "--object", secret,
            "--blockdev", f"driver=file,node-name=image,filename={image}",
            "--blockdev", "driver=luks,node-name=disk,file=image,key-secret=secret",
            "--export", f"type=fuse,id=export,node-name=disk,mountpoint={self.path},"
            "writable=on,growable=off")

    @staticmethod
    def _create(secret: str, image: Path, size: int) -> None:
        """qemu-img measures how fast a key is derived, by a clock of processor time that may have
        stood still meanwhile on a virtual machine; then it gives up."""
        for _ in range(50):
            try:
                run("qemu-img", "create", "-q", "-f", "luks", "--object", secret, "-o",
                    "key-secret=secret,iter-time=10", image, size)
                return
            except Failure as failure:
                cause = failure
        raise cause


class S3Backer(Subject):
    """s3backer: blocks of its file are objects, here of an S3 server on this machine.

    Its processor time is its own, without the S3 server's."""

    name = "s3backer"
    note = "s3backer with encryption, over an S3 server on this machine"
    is_peer = True
    block = 128 << 10
    cache = 8 << 20
    """Its own cache, in bytes: much less than the file, and never ahead of the server."""
    _server: Daemon | None = None

    def set_up(self) -> None:
        port = self._start_server()
        # The mount is over an empty bucket: there is nothing to detect the sizes from.
        self.serve(
            "s3backer", "-f", f"--baseURL=http://127.0.0.1:{port}/",
            f"--accessFile={self.folder / 'access'}", f"--size={self.size}",
            f"--blockSize={self.block >> 10}k", "--encrypt",
            f"--passwordFile={self.make_secret()}", "--blockCacheSync", "--blockCacheWriteDelay=0",
            f"--blockCacheSize={self.cache // self.block}", "bucket", self.mount_point)
        self.path = self.mount_point / "file"

    def _start_server(self) -> int:
        """Starts the S3 server, with one user, and returns its port."""
        if not self.tools.weed:
            raise Failure("s3backer needs --weed")
        user, password = "bench", secrets.token_hex(16)
        (self.folder / "access").write_text(f"{user}:{password}\n")
        users = self.folder / "users.json"
        users.write_text(json.dumps({"identities": [{
            "name": user, "credentials": [{"accessKey": user, "secretKey": password}],
            "actions": ["Admin", "Read", "Write", "List"]}]}))
        data = self.folder / "objects"
        data.mkdir()
        names = [part + kind for part in ("master.port", "volume.port", "filer.port", "s3.port")
                 for kind in ("", ".grpc")]
        ports = dict(zip(names, free_ports(len(names))))
        self._server = Daemon(
            self.folder / "server.log",
            [self.tools.weed, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
             *(f"-{name}={port}" for name, port in ports.items()), "-s3", f"-s3.config={users}",
             "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket",
             "-master.telemetry=false", "-master.volumeSizeLimitMB=1024", "-volume.max=100",
             "-volume.minFreeSpace=1"])
        self._server.wait_until(lambda: answers(ports["s3.port"]))
        return ports["s3.port"]

    def stop(self) -> None:
        super().stop()
        if self._server:
            self._server.end()


ALL: dict[str, type[Subject]] = {
    subject.name: subject
    for subject in (File, Fuse, Gcm, Plain, Encrypted, Gocryptfs, Luks, S3Backer)
}
