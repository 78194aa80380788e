"""Measures section by section, and reports."""

import argparse
import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Callable

from ..__main__ import Parser, progress
from ..system import Failure, machine, run
from ..subjects import Tools
from .crash import recovery
from .disks import disk_count, disk_size, job_count
from .plan import QUICK, Place, Plan, milliseconds
from .snapshots import snapshot_count
from .table import FLAT, Table

SECTIONS: tuple[Callable[[Place], Table], ...] = (
    disk_size, disk_count, job_count, snapshot_count, recovery)


def main() -> None:
    """The whole run, for Tests/Benchmarks/scale."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    plan = QUICK if options.quick else Plan()
    facts = {**machine(options.folder),
             "commit": run("git", "rev-parse", "--short", "HEAD").strip(), "rounds": plan.rounds}
    with ExitStack() as stack:
        place = Place(options.folder, Tools(options.sealdisk, Path(), None), plan, stack)
        progress("Setting up")
        facts["request_ms"] = floor(place)
        tables = []
        for section in SECTIONS:
            progress(f"Measuring {section.__name__.replace('_', ' ')}")
            tables.append(section(place))
    text = markdown(facts, tables)
    print(text, end="")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "scale.md").write_text(text)
        report = {**facts, "sections": [table.raw() for table in tables]}
        (options.out / "scale.json").write_text(json.dumps(report, indent=1) + "\n")


def floor(place: Place) -> float:
    """Milliseconds of a request that has nothing to do."""
    bed = place.bed()
    least = milliseconds(*(bed.request("DescribeDisks") for _ in range(21)))
    bed.discard()
    return round(least, 3)


def markdown(facts: dict[str, object], tables: list[Table]) -> str:
    """All of it as text."""
    introduction = "; ".join(f"{name.replace('_', ' ')}: {value}"
                             for name, value in facts.items())
    explanation = (
        "Times are those of requests through the control file, without the start of a program; "
        "the least that one takes is `request ms`. Where a figure can be had more than once it is "
        "the median of the rounds, and of IOPS the best. Below each table, what the largest size "
        "is in proportion to the smallest that has the figure, and what lies far off between; up "
        f"to ×{FLAT}, or its inverse, is noise and counts as flat.")
    return "\n\n".join(["# Scale", f"{introduction}.", explanation,
                        *(table.markdown() for table in tables)]) + "\n"


def parse() -> argparse.Namespace:
    """The options, as the scale script passes them on."""
    parser = Parser(prog="scale", add_help=False)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--sealdisk", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"scale: {failure}")
