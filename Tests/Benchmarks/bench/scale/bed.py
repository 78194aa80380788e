"""A store and its mount as the measurements use them: requests by the clock, memory, a crash."""

import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Callable

from ..subjects import SealDisk
from ..system import Failure, run

PATIENCE = 60
"""Seconds after which an answer of the mount does not come any more."""


class Bed(SealDisk):
    """A store of encrypted disks. It is mounted at first, with no disk in it."""

    name = "store"
    note = "a store and a mount of its own"

    def set_up(self) -> None:
        self.make_store()
        self.mount()

    def disk(self, name: str) -> Path:
        """A disk's file."""
        return self.mount_point / "disks" / name

    def snapshot(self, name: str) -> Path:
        """A snapshot's file."""
        return self.mount_point / "snapshots" / name

    def create(self, name: str, size: int) -> None:
        """Makes an encrypted disk."""
        self.request(f"CreateDisk DiskName={name} Size={size >> 10}KiB Encrypted=true")

    def request(self, text: str) -> float:
        """One request through the control file; how many seconds its answer took."""
        with self.guarded(), (self.mount_point / "control").open("r+b", buffering=0) as control:
            began = time.perf_counter()
            try:
                control.write(text.encode())
            except OSError as error:
                raise Failure(f"{text}: {error.strerror}: {self._reply()}") from None
            return time.perf_counter() - began

    def _reply(self) -> str:
        try:
            return (self.mount_point / "control").read_text().strip()
        except OSError as error:
            return f"no reply ({error.strerror})"

    def guarded(self) -> "Guard":
        """A mount that does not answer cannot be interrupted: then the daemon is killed."""
        return Guard(self.kill)

    def kill(self) -> None:
        """The crash: nothing of what the daemon had in memory survives."""
        for daemon in self._daemons:
            daemon.kill()

    def restart(self) -> None:
        """Mounts again, after an end or a crash."""
        self.stop()
        self._daemons.clear()
        self.mount()

    def discard(self) -> None:
        """Ends it, and gives its space back for the next."""
        self.stop()
        shutil.rmtree(self.store)

    def memory(self) -> float:
        """MiB that the daemon holds in RAM."""
        return self._status("VmRSS") / 1024

    def threads(self) -> int:
        """Threads of the daemon."""
        return self._status("Threads")

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.pids[-1]}/status").read_text()
        found = re.search(rf"^{name}:\s*(\d+)", text, re.MULTILINE)
        if not found:
            raise Failure(f"the daemon has no {name}")
        return int(found[1])

    def log_length(self) -> int:
        """Blocks in the logs of all disks since their last checkpoints."""
        status = json.loads((self.mount_point / "status.json").read_text())
        return sum(disk["slotsSinceCheckpoint"] for disk in status["engine"]["disks"])

    def stored(self) -> float:
        """MiB that the store takes on its file system."""
        return int(run("du", "-s", "--block-size=1K", self.store).split()[0]) / 1024


class Guard:
    """Does something if what it guards does not end in time."""

    def __init__(self, rescue: Callable[[], None]) -> None:
        self._timer = threading.Timer(PATIENCE, rescue)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def timed(bed: Bed, action: Callable[[], object]) -> float:
    """How many seconds something in the mount took."""
    with bed.guarded():
        began = time.perf_counter()
        action()
        return time.perf_counter() - began


def write(bed: Bed, file: Path, pieces: list[tuple[int, int]]) -> None:
    """Writes incompressible data, at offsets and of lengths."""
    with bed.guarded(), file.open("r+b", buffering=0) as disk:
        for offset, length in pieces:
            os.pwrite(disk.fileno(), os.urandom(length), offset)
