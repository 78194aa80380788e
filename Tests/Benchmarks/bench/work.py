"""Real work, and the files it is done with."""

import os
import shutil
import time
from pathlib import Path
from typing import Callable

from .system import run

TRANSACTIONS = 300
ENOUGH = 120
"""MiB of a tree, at most."""


class Work:
    """What is copied, unpacked, looked through and recorded; the same for every subject."""

    def __init__(self, folder: Path, size: int) -> None:
        self._tree = folder / "tree"
        self._archive = folder / "tree.tar"
        self._checkout = folder / "checkout"
        self._statements = folder / "transactions.sql"
        self._budget = min(size // 12, ENOUGH << 20)
        self._jobs: dict[str, Callable[[Path], None]] = {
            "rsync a tree": self._rsync,
            "untar the tree": self._untar,
            "git status, cold": self._git_status,
            "SQLite transactions": self._transact,
        }

    def prepare(self) -> None:
        """Makes the input: a part of this system's own files, and copies of this project's."""
        self._tree.mkdir(parents=True)
        _copy_some([Path("/usr/lib/python3"), Path("/usr/share/doc")], self._tree, self._budget)
        run("tar", "-C", self._tree, "-cf", self._archive, ".", timeout=300)
        self._checkout.mkdir()
        sources, copies = Path.cwd() / "Sources", self._budget // 4
        size = sum(file.stat().st_size for file in sources.rglob("*") if file.is_file())
        for number in range(max(1, copies // size)):
            shutil.copytree(sources, self._checkout / f"copy-{number}")
        run("git", "init", "-q", cwd=self._checkout)
        run("git", "add", ".", cwd=self._checkout, timeout=300)
        run("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "-qm",
            "all", cwd=self._checkout, timeout=300)
        self._statements.write_text(
            "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;\n"
            "CREATE TABLE events (id INTEGER PRIMARY KEY, text TEXT);\n"
            + "INSERT INTO events (text) VALUES (hex(randomblob(100)));\n" * TRANSACTIONS)

    def place(self, target: Path) -> None:
        """Puts the checkout into a file system; its index then knows the files there."""
        run("cp", "-a", self._checkout, target / "checkout", timeout=600)
        run("git", "status", "--short", cwd=target / "checkout", timeout=300)
        run("sync", "-f", target, timeout=300)

    def perform(self, job: str, target: Path) -> float:
        """Does one job in a file system and returns the seconds it took, to the last sync."""
        place = target / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        run("sync", "-f", target, timeout=300)
        began = time.monotonic()
        self._jobs[job](place)
        run("sync", "-f", target, timeout=300)
        return time.monotonic() - began

    def _rsync(self, place: Path) -> None:
        run("rsync", "-a", f"{self._tree}/", place, timeout=600)

    def _untar(self, place: Path) -> None:
        run("tar", "-C", place, "-xf", self._archive, timeout=600)

    def _git_status(self, place: Path) -> None:
        run("git", "status", "--short", cwd=place.parent / "checkout", timeout=600)

    def _transact(self, place: Path) -> None:
        with self._statements.open() as statements:
            run("sqlite3", place / "events.db", stdin=statements, timeout=600)


def _copy_some(sources: list[Path], target: Path, budget: int) -> None:
    """Copies files in their order until they would be more than `budget` bytes."""
    for source in sources:
        for folder, _, names in os.walk(source):
            place = target / Path(folder).relative_to("/")
            for file in (Path(folder) / name for name in names):
                if not file.is_file() or file.is_symlink():
                    continue
                budget -= max(file.stat().st_size, 4096)
                if budget < 0:
                    return
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, place)
