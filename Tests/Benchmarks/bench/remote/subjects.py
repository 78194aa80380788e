"""What is compared: SealDisk over a folder, S3 and Ceph; s3backer; librbd by QEMU."""

import os
from pathlib import Path

from ..subjects import Encrypted, S3Backer, Subject, Tools
from ..system import run
from .servers import BUCKET, Ceph, S3Server


class Remote(Encrypted):
    """A disk of SealDisk whose store is named by a URI."""

    def __init__(self, folder: Path, size: int, tools: Tools, uri: str,
                 environment: dict[str, str]) -> None:
        super().__init__(folder, size, tools)
        self.uri = uri
        self._more = environment

    def set_up(self) -> None:
        self.make_store()
        self.mount()
        self._command("disk", "create", "disk", "--size", f"{self.size >> 10}KiB", "--encrypted")
        self._command("disk", "attach", "disk")
        self.path = self.mount_point / "disks" / "disk"

    def make_store(self) -> None:
        self.store = self.uri
        self._environment = os.environ | self._more | {
            "SEALDISK_KEYSTORE": str(self.folder / "keystore.json"),
            "SEALDISK_STORE": self.uri,
            "SEALDISK_ANCHOR": f"{self.folder}/anchors/",
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        self._command("init", self.store)
        self._command("kms", "activate", "--key-file", self.folder / "key")

    def remount(self) -> None:
        """Without anything that this host has kept of the store."""
        run("umount", self.mount_point, timeout=120)
        for daemon in self._daemons:
            daemon.await_end()
        self._daemons.clear()
        run("rm", "-rf", self.folder / "cache")
        self.mount()
        self._command("disk", "attach", "disk")


def on_s3(folder: Path, size: int, tools: Tools, server: S3Server, durability: str) -> Remote:
    """A disk of SealDisk over S3."""
    name = f"s3-{durability}"
    uri = (f"s3://{BUCKET}/{name}?durability={durability}&cache={folder}/{name}/cache"
           f"&endpoint={server.endpoint}")
    subject = Remote.__new__(Remote)
    subject.name = name
    subject.note = f"SealDisk on S3, durability={durability}"
    subject.__init__(folder, size, tools, uri, server.environment)
    return subject


def in_ceph(folder: Path, size: int, tools: Tools, cluster: Ceph, name: str = "rados") -> Remote:
    """A disk of SealDisk in a Ceph pool."""
    subject = Remote.__new__(Remote)
    subject.name = name
    subject.note = "SealDisk in a Ceph pool"
    uri = f"rados://{cluster.pool}/{name}?conf={cluster.conf}"
    subject.__init__(folder, size, tools, uri, {})
    return subject


class SharedS3Backer(S3Backer):
    """s3backer over the server that the others use."""

    def __init__(self, folder: Path, size: int, tools: Tools, server: S3Server) -> None:
        super().__init__(folder, size, tools)
        self._shared = server

    def _start_server(self) -> int:
        access = f"{self._shared.user}:{self._shared.password}\n"
        (self.folder / "access").write_text(access)
        return int(self._shared.endpoint.rpartition(":")[2])


class Rbd(Subject):
    """An image of librbd that qemu-storage-daemon shows over FUSE. Without librbd's cache: a write
    that was answered is in the cluster, as it is with SealDisk."""

    name = "librbd"
    note = "an image of librbd, not encrypted, that qemu-storage-daemon shows over FUSE"
    is_direct = True

    def __init__(self, folder: Path, size: int, tools: Tools, cluster: Ceph) -> None:
        super().__init__(folder, size, tools)
        self.cluster = cluster

    @property
    def layers(self) -> list[str]:
        """Block devices of QEMU; the last is `disk`."""
        return [f"driver=rbd,node-name=disk,pool={self.cluster.pool},image={self.name},"
                f"conf={self.cluster.conf},user=admin,"
                f"cache.direct={'on' if self.is_direct else 'off'}"]

    def set_up(self) -> None:
        self._rbd("create", "--size", f"{self.size >> 20}M", f"{self.cluster.pool}/{self.name}")
        self.show()

    def show(self) -> None:
        """Has QEMU show the image."""
        self.path.touch()
        self.mount_point = self.path
        layers = [word for layer in self.layers for word in ("--blockdev", layer)]
        self.serve("qemu-storage-daemon", *self.objects, *layers, "--export",
                   f"type=fuse,id=export,node-name=disk,mountpoint={self.path},"
                   "writable=on,growable=off")

    @property
    def objects(self) -> list[str]:
        """Secrets that the layers use."""
        return []

    def _rbd(self, *words: object) -> None:
        run("rbd", "-c", self.cluster.conf, *words)


class RbdCached(Rbd):
    """The same with librbd's cache: who is killed loses writes that were answered."""

    name = "librbd-cached"
    note = "the same with librbd's cache, of which a kill loses writes that were answered"
    is_direct = False


class RbdLuks(Rbd):
    """The same with librbd's own LUKS."""

    name = "librbd-luks"
    note = "the same with librbd's LUKS (AES-XTS, no integrity)"

    @property
    def layers(self) -> list[str]:
        return [f"{super().layers[0]},encrypt.format=luks2,encrypt.key-secret=secret"]

    @property
    def objects(self) -> list[str]:
        return ["--object", f"secret,id=secret,file={self.folder / 'passphrase'}"]

    def set_up(self) -> None:
        image = f"{self.cluster.pool}/{self.name}"
        # Its header takes some of the image.
        self._rbd("create", "--size", f"{(self.size >> 20) + 32}M", image)
        self._rbd("encryption", "format", image, "luks2", self.make_secret())
        self.show()
