"""What fio does to disks here, and the data that is scattered over one."""

import json
import random
from itertools import cycle
from pathlib import Path
from typing import Sequence

from ..system import Failure, run
from .bed import Bed

BLOCK = 4096
PIECES = tuple(BLOCK << shift for shift in (0, 2, 4, 6, 8))
"""Lengths of the pieces, 4 KiB to 1 MiB, in turn."""
OPERATIONS = 200_000
"""Of a replayed job, at most: more than two seconds' worth."""

Piece = tuple[int, int]


def scattered(size: int, amount: int) -> list[Piece]:
    """Pieces that come to `amount` bytes, evenly over a disk's size."""
    lengths: list[int] = []
    for length in cycle(PIECES):
        if sum(lengths) + length > amount:
            break
        lengths.append(length)
    room = size // len(lengths) // BLOCK * BLOCK
    return [(index * room, min(length, room)) for index, length in enumerate(lengths)]


def rate(files: Sequence[Path], *options: str, jobs: int = 1, seconds: int = 1) -> float:
    """IOPS of 4 KiB at random for some seconds. Every job has files of its own, or all share
    one."""
    return _fio(files, *options, f"--runtime={seconds}", "--time_based", "--norandommap",
                jobs=jobs)


def write_anywhere(file: Path, amount: int) -> float:
    """IOPS of `amount` bytes of 4 KiB writes, anywhere on a disk, no block twice."""
    return _fio([file], *depth("randwrite"), f"--io_size={amount}",
                "--random_generator=tausworthe64")


def depth(kind: str) -> tuple[str, ...]:
    """Options of a job that has 16 requests under way."""
    return (f"--rw={kind}", "--ioengine=libaio", "--iodepth=16")


def one_by_one(kind: str) -> tuple[str, ...]:
    """Options of jobs that have one request under way each."""
    return (f"--rw={kind}", "--ioengine=psync")


def replay(bed: Bed, file: Path, pieces: Sequence[Piece], kind: str, seconds: int = 1) -> float:
    """IOPS of 4 KiB at random, 16 at a time, where the disk has data and nowhere else."""
    blocks = [place for offset, length in pieces for place in
              range(offset, offset + length, BLOCK)]
    log = bed.folder / "operations"
    places = random.choices(blocks, k=OPERATIONS * seconds)
    log.write_text("\n".join(
        ["fio version 2 iolog", f"{file} add", f"{file} open",
         *(f"{file} {kind} {place} {BLOCK}" for place in places), f"{file} close"]) + "\n")
    return _report(f"--read_iolog={log}", "--replay_no_stall=1", "--ioengine=libaio",
                   "--iodepth=16", f"--runtime={seconds}", "--name=job")


def _fio(files: Sequence[Path], *options: str, jobs: int = 1) -> float:
    words: list[str] = [f"--bs={BLOCK}", *options]
    for number in range(jobs):
        own = files[number::jobs] if len(files) > 1 else files
        words += [f"--name=job{number}", f"--filename={':'.join(map(str, own))}"]
    return _report(*words)


def _report(*words: str) -> float:
    """Runs fio; all operations of all jobs in a second of theirs."""
    text = run("fio", "--direct=1", "--allow_file_create=0", "--refill_buffers",
               "--randrepeat=0", "--output-format=json", "--eta=never", *words, timeout=120)
    total = 0.0
    for job in json.loads(text[text.index("{"):])["jobs"]:
        kinds = [job["read"], job["write"]]
        total += sum(each["total_ios"] / each["runtime"] * 1000 for each in kinds
                     if each["runtime"])
    if not total:
        raise Failure(f"fio did nothing: {' '.join(words)}")
    return total
