"""What a crash leaves to be replayed."""

from . import load
from .bed import timed
from .plan import GIB, MIB, Place, extent, milliseconds
from .table import Table


def recovery(place: Place) -> Table:
    """A killed daemon, with more and more in its log."""
    table = Table(
        "Recovery after a crash", "written",
        "4 KiB at random on 1 GiB since the disk was attached, then SIGKILL, and a mount again. "
        "To attach is to replay the log. A checkpoint is due at 512 MiB.")
    for lost in place.plan.lost:
        bed = place.bed()
        bed.create("disk", GIB)
        bed.request("AttachDisk DiskId=disk")
        if lost:
            load.write_anywhere(bed.disk("disk"), lost)
        before, log = bed.memory(), bed.log_length()
        bed.kill()
        bed.restart()
        attach = bed.request("AttachDisk DiskId=disk")
        read = timed(bed, lambda: bed.disk("disk").open("rb", buffering=0).read(MIB))
        table.add(extent(lost), {
            "blocks in the log": log, "attach, ms": milliseconds(attach),
            "read 1 MiB, ms": milliseconds(read), "memory before, MiB": before,
            "memory after, MiB": bed.memory()})
        bed.discard()
    return table
