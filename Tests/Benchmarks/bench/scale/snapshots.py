"""More snapshots of one disk."""

import os
import random

from ..system import processor_seconds
from . import load
from .bed import Bed, timed, write
from .load import BLOCK
from .plan import MIB, Place, extent, milliseconds
from .table import Table

SIZE = 256 * MIB
CHANGES = 512
"""Blocks that are overwritten before every snapshot: 2 MiB."""


def snapshot_count(place: Place) -> Table:
    """Snapshots of one disk, each of what was overwritten since the last."""
    table = Table(
        "The number of snapshots of one disk", "snapshots",
        f"A disk of {extent(SIZE)}, all of it written; 2 MiB of it are overwritten, block by "
        "block at random, before every snapshot.")
    bed, taken = place.bed(), 0
    bed.create("disk", SIZE)
    bed.request("AttachDisk DiskId=disk")
    write(bed, bed.disk("disk"), [(offset, MIB) for offset in range(0, SIZE, MIB)])
    for count in place.plan.snapshots:
        for taken in range(taken + 1, count + 1):
            _take(bed, taken)
        table.add(str(count), _one_count(place, bed, count))
    bed.discard()
    return table


def _take(bed: Bed, number: int) -> float:
    """Overwrites a little and takes a snapshot."""
    blocks = random.sample(range(SIZE // BLOCK), CHANGES)
    write(bed, bed.disk("disk"), [(block * BLOCK, BLOCK) for block in blocks])
    return bed.request(f"CreateSnapshot DiskId=disk SnapshotName=s{number:05}")


def _write(bed: Bed) -> tuple[float, float]:
    """IOPS of random writes for a second, and what one cost the daemon."""
    before = processor_seconds(bed.pids)
    speed = load.rate([bed.disk("disk")], *load.depth("randwrite"), f"--size={SIZE}")
    return speed, (processor_seconds(bed.pids) - before) * 1e6 / speed


def _one_count(place: Place, bed: Bed, count: int) -> dict[str, float]:
    """The figures with so many snapshots; it leaves as many."""
    rounds, middle, spare = range(place.plan.rounds), (count + 1) // 2, 90_000
    writes = [_write(bed) for _ in rounds]
    attached = []
    for _ in rounds:
        bed.request("DetachDisk DiskId=disk")
        attached.append(bed.request("AttachDisk DiskId=disk"))
    figures = {"write, IOPS": max(speed for speed, _ in writes),
               "processor time of one, µs": min(cost for _, cost in writes),
               "attach, ms": milliseconds(*attached)}
    figures["take one more, ms"] = milliseconds(*(_take(bed, spare + each) for each in rounds))
    for each in rounds:
        bed.request(f"DeleteSnapshot SnapshotId=s{spare + each:05}")
    figures["describe all, ms"] = milliseconds(*(
        bed.request("DescribeSnapshots") for _ in rounds))
    figures["ls, ms"] = milliseconds(*(
        timed(bed, lambda: os.listdir(bed.mount_point / "snapshots")) for _ in rounds))
    if count:
        file = bed.snapshot(f"s{middle:05}")
        figures["read 1 MiB of the middle one, ms"] = milliseconds(
            timed(bed, lambda: file.open("rb", buffering=0).read(MIB)))
        near = range(middle, middle + min(place.plan.rounds, count))
        figures["delete one there, ms"] = milliseconds(*(
            bed.request(f"DeleteSnapshot SnapshotId=s{each:05}") for each in near))
        for each in near:
            _take(bed, each)
    return figures | {"memory, MiB": bed.memory(), "store, MiB": bed.stored()}
