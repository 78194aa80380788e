"""What is measured: named groups of jobs."""

from dataclasses import dataclass

MEASURES_BANDWIDTH = "MiB/s"
MEASURES_RATE = "IOPS"
MEASURES_TIME = "s"
FILL = "fill"
SCATTER = "scatter"


@dataclass(frozen=True)
class Job:
    """One measurement, of every subject in every round."""

    group: str
    name: str
    unit: str
    fio: tuple[str, ...] = ()
    """fio's options; none for the jobs of real work."""
    before: str = ""
    """What is written first: FILL, all of it in order, or SCATTER, as much again at random."""
    cold: bool = False
    """Whether the caches of the machine are dropped first."""
    warm: bool = False
    """Whether the file is read once first."""
    once: bool = False
    """Whether it ends with the file, however much of its time is left."""

    @property
    def on_loop(self) -> bool:
        """Whether it runs in ext4 on a loop device on the subject's file."""
        return self.group in ("loop", "work")

    @property
    def counts_syncs(self) -> bool:
        """Whether its latency is that of the syncs rather than of the writes before them."""
        return "--fdatasync=1" in self.fio


def _sequential(kind: str, *more: str) -> tuple[str, ...]:
    return (f"--rw={kind}", "--bs=1M", "--iodepth=4", "--ioengine=libaio", "--direct=1", *more)


def _random(kind: str, depth: int, *more: str) -> tuple[str, ...]:
    return (f"--rw={kind}", "--bs=4k", f"--iodepth={depth}", "--ioengine=libaio", "--direct=1",
            *more)


def _writers(kind: str) -> tuple[str, ...]:
    return (f"--rw={kind}", "--bs=4k", "--ioengine=psync", "--direct=1", "--numjobs=4",
            "--group_reporting")


def _buffered(kind: str, *more: str) -> tuple[str, ...]:
    return (f"--rw={kind}", "--bs=1M", "--ioengine=psync", "--direct=0", *more)


_DIRECT = (
    Job("direct", "sequential write 1M", MEASURES_BANDWIDTH, _sequential("write")),
    Job("direct", "sequential read 1M", MEASURES_BANDWIDTH, _sequential("read")),
    Job("direct", "random read 4K, depth 1", MEASURES_RATE, _random("randread", 1)),
    Job("direct", "random read 4K, depth 16", MEASURES_RATE, _random("randread", 16)),
    Job("direct", "random write 4K, depth 1", MEASURES_RATE, _random("randwrite", 1)),
    Job("direct", "random write 4K, depth 16", MEASURES_RATE, _random("randwrite", 16)),
    Job("direct", "70/30 read/write 4K, depth 16", MEASURES_RATE,
        _random("randrw", 16, "--rwmixread=70")),
    Job("direct", "random write 4K + fdatasync", MEASURES_RATE,
        _random("randwrite", 1, "--fdatasync=1")),
    Job("direct", "random read 4K, 4 readers", MEASURES_RATE, _writers("randread")),
    Job("direct", "random write 4K, 4 writers", MEASURES_RATE, _writers("randwrite")),
)
_COLD = (
    Job("cold", "sequential read 1M", MEASURES_BANDWIDTH, _sequential("read"), FILL, cold=True,
        once=True),
    Job("cold", "random read 4K, depth 16", MEASURES_RATE, _random("randread", 16), cold=True,
        once=True),
    Job("cold", "sequential read 1M after random writes", MEASURES_BANDWIDTH,
        _sequential("read"), SCATTER, cold=True, once=True),
)
_BUFFERED = (
    Job("buffered", "cold sequential read 1M after random writes", MEASURES_BANDWIDTH,
        _buffered("read"), SCATTER, cold=True, once=True),
    Job("buffered", "cold sequential read 1M", MEASURES_BANDWIDTH, _buffered("read"), FILL,
        cold=True, once=True),
    Job("buffered", "warm sequential read 1M", MEASURES_BANDWIDTH,
        _buffered("read", "--invalidate=0"), warm=True),
    Job("buffered", "sequential write 1M + fsync at the end", MEASURES_BANDWIDTH,
        _buffered("write", "--end_fsync=1"), once=True),
)
_LOOP = (
    Job("loop", "sequential write 1M", MEASURES_BANDWIDTH, _sequential("write")),
    Job("loop", "sequential read 1M", MEASURES_BANDWIDTH, _sequential("read")),
    Job("loop", "random read 4K, depth 16", MEASURES_RATE, _random("randread", 16)),
    Job("loop", "random write 4K, depth 16", MEASURES_RATE, _random("randwrite", 16)),
    Job("loop", "random write 4K + fdatasync", MEASURES_RATE,
        _random("randwrite", 1, "--fdatasync=1")),
)
_WORK = (
    Job("work", "rsync a tree", MEASURES_TIME),
    Job("work", "untar the tree", MEASURES_TIME),
    Job("work", "git status, cold", MEASURES_TIME, cold=True),
    Job("work", "SQLite transactions", MEASURES_TIME),
)

GROUPS: dict[str, tuple[Job, ...]] = {
    "direct": _DIRECT, "cold": _COLD, "buffered": _BUFFERED, "loop": _LOOP, "work": _WORK,
}
TITLES = {
    "direct": "Direct I/O on the file",
    "cold": "Direct I/O after the caches were dropped",
    "buffered": "Through the page cache",
    "loop": "Direct I/O in ext4 on a loop device on the file",
    "work": "Real work in ext4 on a loop device on the file",
}
