"""Larger disks, more disks, more jobs on one."""

from . import load
from .bed import write
from .load import BLOCK
from .plan import MIB, Place, extent, milliseconds
from .table import Table


def disk_size(place: Place) -> Table:
    """The same data, thinner and thinner."""
    table = Table(
        "The size of one disk", "size",
        f"{extent(place.plan.scattered)} of data in pieces of 4 KiB to 1 MiB, evenly over the "
        "whole size. Reads and writes, at depth 16, are where data is, but for the last: as much "
        "again as single blocks anywhere, after which memory and store are taken once more.")
    for size in place.plan.sizes:
        table.add(extent(size), _one_size(place, size))
    return table


def _one_size(place: Place, size: int) -> dict[str, float]:
    bed, pieces = place.bed(), load.scattered(size, place.plan.scattered)
    bed.create("disk", size)
    file = bed.disk("disk")
    bed.request("AttachDisk DiskId=disk")
    write(bed, file, pieces)
    times: dict[str, list[float]] = {}
    for number in range(place.plan.rounds):
        bed.create(f"blank{number}", size)
        for name, request, writes in (
                ("attach blank, ms", f"AttachDisk DiskId=blank{number}", False),
                ("detach blank, ms", f"DetachDisk DiskId=blank{number}", True),
                ("detach, ms", "DetachDisk DiskId=disk", False),
                ("attach, ms", "AttachDisk DiskId=disk", True),
                ("snapshot, ms", f"CreateSnapshot DiskId=disk SnapshotName=s{number}", True),
                ("delete it, ms", f"DeleteSnapshot SnapshotId=s{number}", False)):
            times.setdefault(name, []).append(bed.request(request))
            if writes:
                # Something for the next to do: a block of every piece.
                write(bed, file, [(offset, BLOCK) for offset, _ in pieces])
    figures = {name: milliseconds(*those) for name, those in times.items()}
    for kind in ("read", "write"):
        figures[f"{kind}, IOPS"] = place.fastest(lambda: load.replay(bed, file, pieces, kind))
    figures |= {"memory, MiB": bed.memory(), "store, MiB": bed.stored()}
    figures["write anywhere, IOPS"] = load.write_anywhere(file, place.plan.scattered)
    figures |= {"memory then, MiB": bed.memory(), "store then, MiB": bed.stored()}
    bed.discard()
    return figures


def disk_count(place: Place) -> Table:
    """Disks that are attached at once."""
    table = Table(
        "The number of disks attached at once", "disks",
        "256 MiB each, with 8 MiB of data. One writer a disk; at most 16 at once, which go "
        "round their disks then.")
    bed, files = place.bed(), []
    for count in place.plan.disks:
        attached = []
        for number in range(len(files), count):
            name = f"disk{number}"
            bed.create(name, 256 * MIB)
            bed.request(f"AttachDisk DiskId={name}")
            write(bed, bed.disk(name), [(offset * MIB, MIB) for offset in range(8)])
            bed.request(f"DetachDisk DiskId={name}")
            attached.append(bed.request(f"AttachDisk DiskId={name}"))
            files.append(bed.disk(name))
        speed = place.fastest(lambda: load.rate(
            files, *load.one_by_one("randwrite"), "--filesize=8M", jobs=min(count, 16)))
        table.add(str(count), {
            "attach one, ms": milliseconds(*attached), "write, IOPS": speed,
            "memory, MiB": bed.memory(), "threads": bed.threads()})
    bed.discard()
    return table


def job_count(place: Place) -> Table:
    """Jobs on one disk, each with one request under way."""
    size = place.plan.filled
    table = Table("The number of jobs on one disk", "jobs",
                  f"4 KiB at random on {extent(size)}, all of it written; one request a job.")
    bed = place.bed()
    bed.create("disk", size)
    bed.request("AttachDisk DiskId=disk")
    file = bed.disk("disk")
    write(bed, file, [(offset, MIB) for offset in range(0, size, MIB)])
    for count in place.plan.jobs:
        figures = {
            f"{kind}, IOPS": place.fastest(lambda: load.rate(
                [file], *load.one_by_one(f"rand{kind}"), f"--size={size}", jobs=count))
            for kind in ("read", "write")}
        table.add(str(count), figures | {"threads": bed.threads()})
    bed.discard()
    return table
