"""Sets the subjects up, measures them in interleaved rounds, and reports."""

import argparse
import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Iterable, NoReturn, Sequence

from .jobs import GROUPS, Job
from .measure import Meter
from .plot import BASE, draw
from .report import Report
from .stack import LoopStack
from .subjects import ALL, Subject, Tools
from .system import Failure, machine, parse_size, run
from .work import Work


class Parser(argparse.ArgumentParser):
    """Ends as sysexits(3) says."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def main() -> None:
    """The whole run, for Tests/Benchmarks/run."""
    options = parse()
    if options.check:
        print("\n".join(options.subjects))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    jobs = [job for group in options.jobs for job in GROUPS[group]]
    parameters = {
        **machine(options.folder), "commit": run("git", "rev-parse", "--short", "HEAD").strip(),
        "size": options.size, "seconds": options.seconds, "rounds": options.rounds,
    }
    report = Report(parameters, options.subjects, jobs)
    tools = Tools(options.sealdisk, options.limit, options.weed)
    with ExitStack() as stack:
        subjects = []
        for name in options.subjects:
            subject = ALL[name](options.folder, options.size, tools)
            progress(f"Setting up {name}")
            stack.callback(subject.stop)
            subject.start()
            subjects.append(subject)
        measure_files(subjects, [job for job in jobs if not job.on_loop], options, report)
        measure_loops(subjects, [job for job in jobs if job.on_loop], options, report)
    print(report.markdown(), end="")
    if options.out:
        save(report, options.out)


def measure_files(subjects: Sequence[Subject], jobs: Sequence[Job],
                  options: argparse.Namespace, report: Report) -> None:
    """The jobs that use the subjects' files themselves. All files are filled first."""
    meters = [Meter(subject, None, options.seconds, None) for subject in subjects]
    for meter in meters:
        progress(f"Filling {meter.subject.name}")
        meter.fill()
    measure_rounds(meters, jobs, options.rounds, report)


def measure_loops(subjects: Sequence[Subject], jobs: Sequence[Job],
                  options: argparse.Namespace, report: Report) -> None:
    """The jobs in ext4 on loop devices on those files."""
    if not jobs:
        return
    work = None
    if any(job.group == "work" for job in jobs):
        work = Work(options.folder / "input", options.size)
        work.prepare()
    with ExitStack() as stack:
        meters = []
        for subject in subjects:
            progress(f"Making a file system on {subject.name}")
            loop = LoopStack(subject)
            stack.callback(loop.stop)
            loop.start()
            meters.append(Meter(subject, loop, options.seconds, work))
            meters[-1].fill()
            if work:
                work.place(loop.folder)
        measure_rounds(meters, jobs, options.rounds, report)


def measure_rounds(meters: Sequence[Meter], jobs: Sequence[Job], rounds: int,
                   report: Report) -> None:
    """Every job of every subject in turn, so that a slow minute meets them all alike."""
    for number in range(1, rounds + 1):
        for job in jobs:
            progress(f"Round {number} of {rounds}: {job.group}, {job.name}")
            for meter in meters:
                report.add(meter.measure(job, number))


def save(report: Report, folder: Path) -> None:
    """Leaves the results in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(report.markdown())
    (folder / "results.json").write_text(json.dumps(report.raw(), indent=1) + "\n")
    if BASE in report.subjects and len(report.subjects) > 1:
        draw(report, folder / "plot.svg")


def progress(text: str) -> None:
    """One line, beside the results."""
    print(text, file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    """The options, as the run script passes them on."""
    parser = Parser(prog="run", add_help=False)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--sealdisk", type=Path)
    parser.add_argument("--limit", type=Path)
    parser.add_argument("--weed", type=Path)
    parser.add_argument("--subjects", type=names_of(ALL), default=list(ALL))
    parser.add_argument("--jobs", type=names_of(GROUPS), default=list(GROUPS))
    parser.add_argument("--rounds", type=natural, default=5)
    parser.add_argument("--seconds", type=natural, default=3)
    parser.add_argument("--size", type=size, default=1 << 30)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def names_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """A type of option: names with commas between them, which it puts into our order."""
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return [name for name in known if name in chosen]
    return names


def natural(text: str) -> int:
    """A type of option: 1 and more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)


def size(text: str) -> int:
    """A type of option: bytes."""
    try:
        return parse_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 512M") from None


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"benchmarks: {failure}")
