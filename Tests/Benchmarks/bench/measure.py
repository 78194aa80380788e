"""One measurement: what a job does to a subject, and what that cost."""

import json
import time
from dataclasses import dataclass, field
from typing import Callable

from .jobs import FILL, MEASURES_BANDWIDTH, MEASURES_TIME, SCATTER, Job
from .stack import LoopStack
from .subjects import Subject
from .system import PROCESSORS, drop_caches, processor_seconds, run, steal_seconds
from .work import Work

DISTURBED = 0.05
"""The share of stolen time above which a measurement is made once more."""


SCATTER_SECONDS = 20
"""For how long blocks are written at random before a job that asks for it, at most."""


@dataclass
class Outcome:
    """What was done: how fast, and in how many operations."""

    value: float
    operations: int
    p50_us: float | None = None
    p99_us: float | None = None


@dataclass
class Figure:
    """One measurement as it is kept."""

    group: str
    job: str
    unit: str
    subject: str
    round: int
    value: float
    p50_us: float | None
    p99_us: float | None
    cpu_us_per_operation: float | None
    steal: float
    repeated: bool = field(default=False)


class Meter:
    """Measures one subject."""

    def __init__(self, subject: Subject, stack: LoopStack | None, seconds: int,
                 work: Work | None) -> None:
        self.subject = subject
        self._stack = stack
        self._seconds = seconds
        self._work = work
        self._size = subject.size * 3 // 8 if stack else subject.size
        self._file = stack.folder / "file" if stack else subject.path

    def fill(self) -> None:
        """Writes the whole file, so that no job meets a hole."""
        run("fio", "--name=fill", f"--filename={self._file}", f"--size={self._size}",
            "--rw=write", "--bs=1M", "--iodepth=4", "--ioengine=libaio", "--direct=1",
            "--refill_buffers", "--end_fsync=1", timeout=self._patience())

    def scatter(self) -> None:
        """Writes blocks at random, as many as there are, or for a while."""
        run("fio", "--name=scatter", f"--filename={self._file}", f"--size={self._size}",
            "--rw=randwrite", "--bs=4k", "--iodepth=16", "--ioengine=libaio", "--direct=1",
            "--norandommap", "--randrepeat=0", f"--runtime={SCATTER_SECONDS}",
            "--allow_file_create=0", "--refill_buffers", timeout=self._patience())

    def measure(self, job: Job, round_number: int) -> Figure:
        """Measures once, or twice if the machine was disturbed; the calmer one counts."""
        figure = self._once(job, round_number)
        if figure.steal > DISTURBED:
            figure = min(figure, self._once(job, round_number), key=lambda each: each.steal)
            figure.repeated = True
        return figure

    def _once(self, job: Job, round_number: int) -> Figure:
        action = self._action(job)
        if job.before == FILL:
            self.fill()
        elif job.before == SCATTER:
            self.scatter()
        if job.warm:
            run("dd", f"if={self._file}", "of=/dev/null", "bs=1M", "status=none",
                timeout=self._patience())
        if job.cold:
            drop_caches()
        pids = self.subject.pids
        began, cpu, stolen = time.monotonic(), processor_seconds(pids), steal_seconds()
        outcome = action()
        cpu, stolen = processor_seconds(pids) - cpu, steal_seconds() - stolen
        interval = time.monotonic() - began
        cost = cpu * 1e6 / outcome.operations if outcome.operations else None
        return Figure(
            job.group, job.name, job.unit, self.subject.name, round_number, outcome.value,
            outcome.p50_us, outcome.p99_us, cost, stolen / (interval * PROCESSORS))

    def _action(self, job: Job) -> Callable[[], Outcome]:
        if job.unit == MEASURES_TIME:
            assert self._work and self._stack
            return lambda: self._time(job)
        return lambda: self._fio(job)

    def _time(self, job: Job) -> Outcome:
        """Real work, by the clock. The operations are those of the loop device."""
        operations = self._stack.operations()
        seconds = self._work.perform(job.name, self._stack.folder)
        return Outcome(seconds, self._stack.operations() - operations)

    def _fio(self, job: Job) -> Outcome:
        duration = [] if job.once else ["--time_based"]
        text = run(
            "fio", "--name=job", f"--filename={self._file}", f"--size={self._size}", *job.fio,
            f"--runtime={self._seconds}", *duration, "--allow_file_create=0", "--refill_buffers",
            "--buffer_compress_percentage=0", "--randrepeat=0", "--lat_percentiles=1",
            "--output-format=json", "--eta=never", timeout=self._patience())
        return outcome_of(json.loads(text[text.index("{"):])["jobs"][0], job)

    def _patience(self) -> float:
        """More seconds than any command here needs, at 1 MiB/s."""
        return 120 + 2 * self._seconds + self._size / (1 << 20)


def outcome_of(result: dict, job: Job) -> Outcome:
    """What fio's report of one job says."""
    read, write = result["read"], result["write"]
    main = read if read["total_ios"] >= write["total_ios"] else write
    if job.unit == MEASURES_BANDWIDTH:
        value = main["bw_bytes"] / (1 << 20)
    else:
        value = read["iops"] + write["iops"]
    # From submission on: where the kernel does not go on meanwhile, completion takes no time.
    latency = (result["sync"] if job.counts_syncs else main)["lat_ns"]
    percentiles = latency.get("percentile", {})
    p50, p99 = (percentiles.get(key) for key in ("50.000000", "99.000000"))
    return Outcome(
        value, read["total_ios"] + write["total_ios"],
        None if p50 is None else p50 / 1000, None if p99 is None else p99 / 1000)
