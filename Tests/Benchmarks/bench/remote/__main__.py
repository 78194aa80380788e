"""Measures and prints tables; see Tests/Benchmarks/remote."""

import argparse
import json
import mmap
import os
import random
import re
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Callable, Sequence
from urllib.parse import quote

from ..report import markdown_table, number
from ..subjects import Encrypted, Subject, Tools
from ..system import drop_caches, parse_size, run
from .servers import BUCKET, Ceph, S3Server
from .subjects import Rbd, RbdCached, RbdLuks, Remote, SharedS3Backer, in_ceph, on_s3

MIB = 1 << 20
CHUNK = 32 * MIB


def fio(file: Path, *options: str, seconds: int) -> float:
    """IOPS of 4 KiB at random."""
    text = run("fio", "--name=job", f"--filename={file}", "--bs=4k", "--direct=1",
               "--ioengine=libaio", "--norandommap", f"--runtime={seconds}", "--time_based",
               "--output-format=json", *options, timeout=seconds + 120)
    job = json.loads(text[text.index("{"):])["jobs"][0]
    return max(job["read"]["iops"], job["write"]["iops"])


def fill(subject: Subject) -> float:
    """MiB/s of writing all of it in order, with random bytes, up to the flush."""
    start = time.monotonic()
    run("fio", "--name=fill", f"--filename={subject.path}", "--rw=write", "--bs=1M", "--direct=1",
        f"--size={subject.size}", "--ioengine=libaio", "--iodepth=4", "--end_fsync=1",
        "--refill_buffers", timeout=1200)
    return subject.size / MIB / (time.monotonic() - start)


def overwrite(subject: Subject) -> None:
    """Writes at random twice as much as it holds. A disk is faster before: nothing is reclaimed yet,
    and its chunks lie in order."""
    run("fio", "--name=overwrite", f"--filename={subject.path}", "--rw=randwrite", "--bs=4k",
        "--direct=1", f"--size={subject.size}", f"--io_size={2 * subject.size}",
        "--ioengine=libaio", "--iodepth=16", "--norandommap", timeout=1200)


class Figures:
    """What was measured of each by name; every round meets all in turn, every other in reverse."""

    def __init__(self, measures: dict[str, Callable[[], float]], count: int) -> None:
        self._found: dict[str, list[float]] = {name: [] for name in measures}
        for turn in range(count):
            for name in list(measures)[::-1] if turn % 2 else measures:
                self._found[name].append(measures[name]())

    def of(self, name: str) -> float:
        """The median of the rounds."""
        return median(self._found[name])

    def ratio(self, name: str, other: str) -> float:
        """The median of the proportions of each round: what changes with time falls out."""
        return median(one / two for one, two in zip(self._found[name], self._found[other]))


def status(subject: Remote) -> dict:
    """What the mount says of its backend."""
    return json.loads((subject.mount_point / "status.json").read_text())["backend"]


def uploaded(subject: Remote, rest: int = 0) -> None:
    """Waits until no more than that waits: a chunk that is not full waits for its time."""
    while status(subject)["waitingBytes"] > rest:
        time.sleep(0.02)


def put_loop(server: S3Server, folder: Path, total: int, size: int) -> float:
    """MiB/s of a plain loop of PUTs by one curl, objects of one size, bodies not hashed."""
    body = folder / "body"
    body.write_bytes(Path("/dev/urandom").open("rb").read(size))
    count = max(1, total // size)
    targets: list[object] = []
    for index in range(count):
        targets += ["-T", body, f"{server.endpoint}/{BUCKET}/plain/{index}"]
    start = time.monotonic()
    run(*server.signed(*targets), timeout=1200)
    return count * size / MIB / (time.monotonic() - start)


class Uploading:
    """As much going to the server, by one curl that yields to others, as a disk on S3 sends in a
    job: what the server then leaves of this machine to a disk that uploads nothing."""

    def __init__(self, server: S3Server, body: Path, rate: float) -> None:
        targets: list[object] = []
        for index in range(1000):
            targets += ["-T", body, f"{server.endpoint}/{BUCKET}/plain/{index % 16}"]
        words = ["nice", "-n", "19",
                 *server.signed("--limit-rate", f"{max(1, int(rate) >> 10)}k", *targets)]
        self._curl = subprocess.Popen([str(word) for word in words])

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._curl.terminate()
        self._curl.wait(timeout=30)


def objects(server: S3Server, prefix: str) -> list[tuple[str, int]]:
    """Names and bytes of what lies there: no more than 1000."""
    text = run(*server.signed(f"{server.endpoint}/{BUCKET}?list-type=2&max-keys=1000"
                              f"&prefix={quote(prefix, safe='')}"))
    found = re.findall(r"<Key>([^<]*)</Key>.*?<Size>(\d+)</Size>", text)
    return [(key, int(size)) for key, size in found]


def growth(subject: Remote, server: S3Server, seconds: int) -> tuple[float, float, float]:
    """Bytes in the bucket for each that the disk holds, while it is overwritten at random, a
    sixteenth of it in a second: on the average and at most, when the first chunks have died, and
    when nothing more is to be done."""
    def now() -> float:
        return sum(size for _, size in objects(server, subject.name + "/")) / subject.size

    writing = subprocess.Popen(
        ["fio", "--name=grow", f"--filename={subject.path}", "--rw=randwrite", "--bs=4k",
         "--direct=1", f"--size={subject.size}", f"--rate={subject.size // 16}",
         f"--runtime={seconds}", "--time_based", "--ioengine=libaio", "--iodepth=4",
         "--norandommap"], stdout=subprocess.DEVNULL)
    looks: list[float] = []
    begin = time.monotonic()
    while writing.poll() is None:
        time.sleep(1)
        if time.monotonic() - begin > seconds / 3:
            looks.append(now())
    if writing.returncode:
        raise SystemExit(f"fio ended with {writing.returncode}")
    uploaded(subject)
    rest, before = now(), 0.0
    while rest != before:
        time.sleep(5)
        rest, before = now(), rest
    return sum(looks) / len(looks), max(looks), rest


def ranged_get(server: S3Server, prefix: str, count: int) -> float:
    """Milliseconds of one ranged GET of 4 KiB at random in the objects that the store's chunks lie
    in, by one curl that keeps its connection. (A server takes longer for some objects and places
    than for others: SeaweedFS four times as long for the first 8 MiB of an object.)"""
    large = [(key, size // 4096) for key, size in objects(server, prefix + "/data/")
             if size >= MIB]
    chosen = random.choices(large, weights=[pages for _, pages in large], k=count)
    places = [(key, random.randrange(pages) * 4096) for key, pages in chosen]
    config = "".join(
        f'url = "{server.endpoint}/{BUCKET}/{key}"\nrange = {start}-{start + 4095}\n'
        'output = "/dev/null"\nwrite-out = "%{time_starttransfer} %{time_total}\\n"\nnext\n'
        'aws-sigv4 = "aws:amz:us-east-1:s3"\n'
        f'user = "{server.user}:{server.password}"\n'
        for key, start in places)
    head = (f'aws-sigv4 = "aws:amz:us-east-1:s3"\nuser = "{server.user}:{server.password}"\n')
    done = subprocess.run(["curl", "--silent", "-K", "-"], input=head + config, text=True,
                          capture_output=True, timeout=300, check=False)
    times = [float(line.split()[1]) for line in done.stdout.splitlines() if len(line.split()) == 2]
    return median(times) * 1000


def cold_reads(subject: Remote, count: int) -> tuple[float, float, float]:
    """Random 4 KiB reads of what this host has not, far from each other, each block once:
    milliseconds right after the mount, the same once what finds the blocks is here (the map, and
    the slot tables of the chunks: one block was read in each page of the map), and the GETs that
    one read then makes."""
    subject.remount()
    drop_caches()
    step = subject.size // count
    places = [index * step + step // 2 & -4096 for index in range(count)]
    random.shuffle(places)
    file = os.open(subject.path, os.O_RDONLY | os.O_DIRECT)
    room = mmap.mmap(-1, 4096)

    def timed(places: Sequence[int]) -> float:
        times = []
        for place in places:
            start = time.monotonic()
            os.preadv(file, [room], place)
            times.append(time.monotonic() - start)
        return median(times) * 1000

    try:
        first = timed([place + 4096 for place in places])
        timed(range(0, subject.size, 2 * MIB))
        before = status(subject)["requests"]["gets"]
        then = timed(places)
        return first, then, (status(subject)["requests"]["gets"] - before) / count
    finally:
        os.close(file)


def s3_tables(arguments: argparse.Namespace, tools: Tools) -> str:
    """Figures over S3."""
    folder, size = arguments.folder, arguments.size
    server = S3Server(arguments.memory / "server", tools.weed)
    local = Encrypted(folder, size, tools)
    host, store = (on_s3(folder, size, tools, server, kind) for kind in ("host", "store"))
    peer = SharedS3Backer(folder, size, tools, server)
    subjects: list[Subject] = [local, host, store, peer]
    started: list[Subject] = []
    try:
        for subject in subjects:
            started.append(subject)
            subject.start()
        begin = time.monotonic()
        fill(host)
        left, then = status(host)["waitingBytes"], time.monotonic()
        uploaded(host, CHUNK)
        end = time.monotonic()
        sustained = (size - CHUNK) / MIB / (end - begin)
        alone = (left - CHUNK) / MIB / (end - then)
        uploaded(host)
        plain = put_loop(server, folder, size, CHUNK)
        sent = status(host)
        fill(local)
        for each in (local, host, store):
            overwrite(each)
        rows = []
        # The last is long enough for uploads to go on beside the writing; seldomer, therefore.
        jobs = [
            ("random write 4K, depth 1", ["--rw=randwrite", "--iodepth=1"], 1),
            ("random write 4K, depth 16", ["--rw=randwrite", "--iodepth=16"], 1),
            ("random write 4K + fdatasync",
             ["--rw=randwrite", "--iodepth=1", "--fdatasync=1"], 1),
            ("random write 4K, depth 16, ten times as long",
             ["--rw=randwrite", "--iodepth=16"], 10),
        ]
        rates: list[float] = []

        def settle() -> None:
            # What one subject left to upload, or in memory, is no work for the next.
            for other in (host, store):
                uploaded(other)
            server.give_back()
            run("sync", timeout=300)

        def write(each: Subject, words: Sequence[str], seconds: int) -> float:
            return fio(each.path, f"--size={each.size}", *words, seconds=seconds)

        def job(each: Subject, words: Sequence[str], seconds: int) -> float:
            settle()
            return write(each, words, seconds)

        def sending(words: Sequence[str], seconds: int) -> float:
            settle()
            before = status(host)["requests"]["bytesSent"]
            figure = write(host, words, seconds)
            rates.append((status(host)["requests"]["bytesSent"] - before) / seconds)
            return figure

        def beside(words: Sequence[str], seconds: int) -> float:
            settle()
            with Uploading(server, folder / "body", rates[-1]):
                return write(local, words, seconds)

        for name, options, times in jobs:
            seconds = times * arguments.seconds
            measures = {each.name: partial(job, each, options, seconds) for each in subjects}
            measures[host.name] = partial(sending, options, seconds)
            measures["beside"] = partial(beside, options, seconds)
            found = Figures(measures, arguments.rounds if times == 1 else min(2, arguments.rounds))
            rows.append([name, *(number(found.of(each)) for each in measures),
                         *(number(found.ratio(host.name, each))
                           for each in (local.name, "beside", peer.name))])
        uploaded(host)
        grown = growth(host, server, 12 * arguments.seconds)
        first, cold, gets = cold_reads(host, arguments.reads)
        get = ranged_get(server, host.name, arguments.reads)
    finally:
        for subject in reversed(started):
            subject.stop()
        server.stop()
    heads = ["job (IOPS)", *(each.name for each in subjects), "encrypted, uploads beside it",
             "s3-host / encrypted", "/ uploads beside it", "/ s3backer"]
    gib = size / (1 << 30)
    requests = sent["requests"]
    more = [
        ["upload from the first write on, MiB/s", number(sustained)],
        ["upload from the last write on, MiB/s", number(alone)],
        ["curl, PUTs of 32 MiB, MiB/s", number(plain)],
        ["ratios", f"{number(sustained / plain)}, {number(alone / plain)}"],
        ["cold random read 4K right after the mount, ms", number(first)],
        ["cold random read 4K, ms", number(cold)], ["GETs for it", number(gets)],
        ["curl, ranged GET of 4 KiB, ms", number(get)], ["ratio", number(cold / get)],
        ["PUTs per GiB written", number(requests["puts"] / gib)],
        ["bytes sent / bytes written", number(requests["bytesSent"] / size)],
        ["bucket / disk, overwritten at random: average, most, at rest",
         ", ".join(number(figure) for figure in grown)],
    ]
    return markdown_table(heads, rows) + "\n" + markdown_table(["figure", "value"], more)


def ceph_table(arguments: argparse.Namespace, tools: Tools) -> str:
    """Figures over RADOS."""
    folder, size = arguments.folder, arguments.size
    cluster = Ceph(folder / "ceph", arguments.cluster)
    subjects: list[Subject] = [in_ceph(folder, size, tools, cluster),
                               Rbd(folder, size, tools, cluster),
                               RbdLuks(folder, size, tools, cluster),
                               RbdCached(folder, size, tools, cluster)]
    if arguments.before:
        before = replace(tools, sealdisk=arguments.before)
        subjects.append(in_ceph(folder, size, before, cluster, "rados-before"))
    started: list[Subject] = []
    try:
        for subject in subjects:
            started.append(subject)
            subject.start()
            fill(subject)
        rows = []
        for kind in ("randwrite", "randread"):
            for depth in (1, 16):
                def job(each: Subject) -> float:
                    drop_caches()
                    return fio(each.path, f"--size={each.size}", f"--rw={kind}",
                               f"--iodepth={depth}", seconds=arguments.seconds)
                names = [each.name for each in subjects]
                found = Figures({each.name: partial(job, each) for each in subjects},
                                arguments.rounds)
                rows.append([f"{kind} 4K, depth {depth}", *(number(found.of(n)) for n in names),
                             *(number(found.ratio(names[0], name)) for name in names[1:])])
    finally:
        for subject in reversed(started):
            subject.stop()
        cluster.stop()
    heads = ["job (IOPS)", *(each.name for each in subjects),
             *(f"rados / {each.name}" for each in subjects[1:])]
    return markdown_table(heads, rows)


def main() -> None:
    """Parses, measures, prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--memory", type=Path, required=True)
    parser.add_argument("--sealdisk", type=Path, required=True)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--weed", type=Path, required=True)
    parser.add_argument("--cluster", type=Path, required=True)
    parser.add_argument("--only", choices=("s3", "ceph"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--reads", type=int, default=100)
    parser.add_argument("--size", type=parse_size, default=parse_size("512M"))
    arguments = parser.parse_args()
    tools = Tools(sealdisk=arguments.sealdisk, limit=Path("/"), weed=arguments.weed)
    if arguments.only != "ceph":
        print("*On S3*\n\n" + s3_tables(arguments, tools), flush=True)
    if arguments.only != "s3":
        print("*In Ceph*\n\n" + ceph_table(arguments, tools), flush=True)


main()
