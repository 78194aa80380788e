"""Applies mutations to a copy of the tree, one at a time, and runs on each the simulator, and the
engine's other tests if that notices nothing."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from mutations import MUTATIONS, Mutation

BUILD = ("swift", "build", "-c", "release", "-Xswiftc", "-enable-testing", "--build-tests")
TEST = ("swift", "test", "-c", "release", "-Xswiftc", "-enable-testing", "--skip-build", "--filter")
SEEDS = "1500"
"""How many runs of the simulator have to notice a mutation."""
ENGINE = ("COpenSSL", "CXXHash", "CLinuxFile", "CryptoPrimitives", "KeyManagement", "ChunkStore",
          "LocalStore", "DiskFormat", "DiskEngine")
STAGES = {
    "the simulator": ("SimulationTests|LocalStoreCrashTests", ("Simulation",)),
    "the tests": ("DiskEngineTests|Conformance|DiskFormatTests",
                  ("DiskEngineTests", "Conformance", "DiskFormatTests", "CRuntimeCounts")),
}
"""Which tests are tried, in this order, and the targets that are built for them besides the
engine: what stands above it, and other tests, would be built anew for each mutation."""
PATIENCE = 600
"""Seconds for the tests of one mutation: one that makes them hang is noticed, too."""


def main() -> None:
    """Ends with 1 if a mutation survived, with 2 if the tests fail without any."""
    names = sys.argv[1:]
    if names == ["--list"]:
        for each in MUTATIONS:
            print(f"{each.name:28} {each.rule}")
        return
    stages = STAGES
    if names[:1] == ["--by"]:
        stages = {stage: STAGES[stage] for stage in STAGES if names[1:2] == [stage.split()[1]]}
        names = names[2:]
        if not stages:
            sys.exit("mutations: --by simulator, or --by tests")
    unknown = set(names) - {each.name for each in MUTATIONS}
    if unknown:
        sys.exit(f"mutations: there is no {', '.join(sorted(unknown))}; see --list")
    chosen = [each for each in MUTATIONS if not names or each.name in names]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="sealdisk-mutations.") as folder:
        trees = {stage: copy(Path(folder) / str(number), targets)
                 for number, (stage, (_, targets)) in enumerate(stages.items())}
        for each in chosen:
            check(next(iter(trees.values())), each)
        left = list(chosen)
        for stage, tree in trees.items():
            if left:
                found = try_all(stage, tree, left)
                print(f"{found} of {len(left)} were noticed by {stage}", flush=True)
                left = [each for each in left if not each.noticed]
    if left:
        sys.exit(f"survived: {', '.join(each.name for each in left)}")


def try_all(stage: str, tree: Path, mutations: list[Mutation]) -> int:
    """How many of the mutations a stage notices, each marked so."""
    say(f"{stage}, without any mutation")
    if not passes(stage, tree):
        print((tree / "log").read_text()[-4000:])
        sys.exit(2)
    for each in mutations:
        path = tree / each.file
        text = path.read_text()
        path.write_text(text.replace(each.old, each.new))
        try:
            each.noticed = not passes(stage, tree)
        finally:
            path.write_text(text)
        say(f"{each.name}: {'noticed' if each.noticed else 'SURVIVED: ' + each.rule}")
    return sum(each.noticed for each in mutations)


def copy(tree: Path, targets: tuple[str, ...]) -> Path:
    """The files of the tree as they are, of which no more is built than the engine and targets."""
    files = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), check=True,
        capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        if Path(name).exists():
            place = tree / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, place, follow_symlinks=False)
    with open(tree / "Package.swift", "a", encoding="utf-8") as package:
        wanted = ", ".join(f'"{module}"' for module in ENGINE + targets)
        package.write("\npackage.products = []\n"
                      f"package.targets.removeAll {{ ![{wanted}].contains($0.name) }}\n")
    return tree


def check(tree: Path, mutation: Mutation) -> None:
    """A mutation that does not fit the sources any more is nobody's success."""
    found = (tree / mutation.file).read_text().count(mutation.old)
    if found != 1:
        sys.exit(f"mutations: {mutation.name}: its place stands {found} times in {mutation.file}")


def passes(stage: str, tree: Path) -> bool:
    """Builds, which must succeed, and runs the stage's tests; those that hang fail."""
    tests, _ = STAGES[stage]
    temporary = tree / "tmp"
    temporary.mkdir(exist_ok=True)
    with open(tree / "log", "w", encoding="utf-8") as log:
        built = subprocess.run(BUILD, cwd=tree, stdout=log, stderr=subprocess.STDOUT)
        if built.returncode != 0:
            sys.exit("mutations: it does not build:\n" + (tree / "log").read_text()[-3000:])
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
