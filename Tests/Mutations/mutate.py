"""Applies mutations to a copy of the tree, one at a time, and runs the engine's tests on each."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from mutations import MUTATIONS, Mutation

TESTS = "DiskEngineTests|Conformance|DiskFormatTests"
BUILD = ("swift", "build", "-c", "release", "-Xswiftc", "-enable-testing", "--build-tests")
TEST = ("swift", "test", "-c", "release", "-Xswiftc", "-enable-testing", "--skip-build",
        "--filter", TESTS)
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
        if not passes(tree):
            print((tree / "log").read_text()[-4000:])
            sys.exit(2)
        survivors = [each.name for each in chosen if survives(tree, each)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutations were noticed")
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
    return tree


def check(tree: Path, mutation: Mutation) -> None:
    """A mutation that does not fit the sources any more is nobody's success."""
    found = (tree / mutation.file).read_text().count(mutation.old)
    if found != 1:
        sys.exit(f"mutations: {mutation.name}: its place stands {found} times in {mutation.file}")


def survives(tree: Path, mutation: Mutation) -> bool:
    """Whether the tests pass in spite of it."""
    path = tree / mutation.file
    text = path.read_text()
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        survived = passes(tree)
    finally:
        path.write_text(text)
    say(f"{mutation.name}: {'SURVIVED: ' + mutation.rule if survived else 'noticed'}")
    return survived


def passes(tree: Path) -> bool:
    """Builds, which must succeed, and runs the tests."""
    with open(tree / "log", "w", encoding="utf-8") as log:
        built = subprocess.run(BUILD, cwd=tree, stdout=log, stderr=subprocess.STDOUT)
        if built.returncode != 0:
            sys.exit("mutations: it does not build:\n" + (tree / "log").read_text()[-3000:])
        temporary = tree / "tmp"
        temporary.mkdir(exist_ok=True)
        tests = subprocess.Popen(
            TEST, cwd=tree, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "TMPDIR": str(temporary)})
        try:
            return tests.wait(PATIENCE) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if tests.poll() is None:
                os.killpg(tests.pid, signal.SIGKILL)
                tests.wait()
            shutil.rmtree(temporary, ignore_errors=True)


def say(text: str) -> None:
    """One line, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
