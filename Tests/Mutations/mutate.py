"""Applies mutations to a copy of the tree, one at a time, and runs on each the simulator, and the
engine's other tests if that notices nothing."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from mutations import MUTATIONS, Mutation

BUILD = ("swift", "build", "-c", "release", "-Xswiftc", "-enable-testing", "--build-tests")
TEST = ("swift", "test", "-c", "release", "-Xswiftc", "-enable-testing", "--skip-build", "--filter")
SIMULATION = "SimulationTests"
OTHERS = "DiskEngineTests|Conformance|DiskFormatTests"
SEEDS = "1500"
"""How many runs of the simulator have to notice a mutation."""
MODULES = ("COpenSSL", "CXXHash", "CLinuxFile", "CryptoPrimitives", "KeyManagement", "ChunkStore",
           "LocalStore", "DiskFormat", "DiskEngine", "CRuntimeCounts", "Conformance",
           "DiskFormatTests", "DiskEngineTests", "Simulation")
"""All that is built of the copy: what stands above the engine would be built anew each time."""
PATIENCE = 600
"""Seconds for the tests of one mutation: one that makes them hang is noticed, too."""


def main() -> None:
    """Ends with 1 if a mutation survived, with 2 if the tests fail without any."""
    names = sys.argv[1:]
    if names == ["--list"]:
        for each in MUTATIONS:
            print(f"{each.name:28} {each.rule}")
        return
    unknown = set(names) - {each.name for each in MUTATIONS}
    if unknown:
        sys.exit(f"mutations: there is no {', '.join(sorted(unknown))}; see --list")
    chosen = [each for each in MUTATIONS if not names or each.name in names]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="sealdisk-mutations.") as folder:
        tree = copy(Path(folder))
        for each in chosen:
            check(tree, each)
        say("building and testing without any")
        found = noticed(tree)
        if found:
            print((tree / "log").read_text()[-4000:])
            sys.exit(2)
        verdicts = {each.name: verdict(tree, each) for each in chosen}
    survivors = [name for name, found in verdicts.items() if not found]
    simulated = sum(found == SIMULATION for found in verdicts.values())
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutations were noticed, "
          f"{simulated} of them by the simulator")
    if survivors:
        sys.exit(f"survived: {', '.join(survivors)}")


def copy(folder: Path) -> Path:
    """The files of the tree as they are, and what was built of them."""
    files = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), check=True,
        capture_output=True, text=True).stdout.split("\0")
    tree = folder / "tree"
    for name in filter(None, files):
        if Path(name).exists():
            place = tree / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, place, follow_symlinks=False)
    with open(tree / "Package.swift", "a", encoding="utf-8") as package:
        wanted = ", ".join(f'"{module}"' for module in MODULES)
        package.write("\npackage.products = []\n"
                      f"package.targets.removeAll {{ ![{wanted}].contains($0.name) }}\n")
    return tree


def check(tree: Path, mutation: Mutation) -> None:
    """A mutation that does not fit the sources any more is nobody's success."""
    found = (tree / mutation.file).read_text().count(mutation.old)
    if found != 1:
        sys.exit(f"mutations: {mutation.name}: its place stands {found} times in {mutation.file}")


def verdict(tree: Path, mutation: Mutation) -> str | None:
    """Which tests notice it; None if it survives."""
    path = tree / mutation.file
    text = path.read_text()
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        found = noticed(tree)
    finally:
        path.write_text(text)
    say(f"{mutation.name}: {'noticed by ' + found if found else 'SURVIVED: ' + mutation.rule}")
    return found


def noticed(tree: Path) -> str | None:
    """Builds, which must succeed, and runs the tests: which fail, if any."""
    with open(tree / "log", "w", encoding="utf-8") as log:
        built = subprocess.run(BUILD, cwd=tree, stdout=log, stderr=subprocess.STDOUT)
        if built.returncode != 0:
            sys.exit("mutations: it does not build:\n" + (tree / "log").read_text()[-3000:])
        for tests in (SIMULATION, OTHERS):
            if not passes(tree, tests, log):
                return tests
    return None


def passes(tree: Path, tests: str, log: TextIO) -> bool:
    """Runs tests; those that hang fail."""
    temporary = tree / "tmp"
    temporary.mkdir(exist_ok=True)
    process = subprocess.Popen(
        (*TEST, tests), cwd=tree, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary), "SEALDISK_SIMULATE_SEEDS": SEEDS,
             "SEALDISK_SIMULATE_ENOUGH": "1", "SWIFT_DETERMINISTIC_HASHING": "1"})
    try:
        return process.wait(PATIENCE) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(temporary, ignore_errors=True)


def say(text: str) -> None:
    """One line, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
