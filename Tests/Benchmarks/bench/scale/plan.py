"""How large the work gets, and where it is done."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Callable, Sequence

from ..subjects import Tools
from .bed import Bed

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40


@dataclass(frozen=True)
class Plan:
    """The sizes of the work."""

    sizes: Sequence[int] = (GIB, 16 * GIB, 256 * GIB, 4 * TIB)
    scattered: int = 64 * MIB
    disks: Sequence[int] = (1, 4, 16, 64)
    jobs: Sequence[int] = (1, 2, 4, 8, 16)
    filled: int = GIB
    snapshots: Sequence[int] = (0, 10, 100, 1000)
    lost: Sequence[int] = (0, 64 * MIB, 256 * MIB, 480 * MIB, 512 * MIB)
    rounds: int = 3
    """Of every figure but those that can be had once only."""


QUICK = Plan(sizes=(GIB, 4 * TIB), scattered=4 * MIB, disks=(1, 4), jobs=(1, 4),
             filled=64 * MIB, snapshots=(0, 10), lost=(0, 16 * MIB), rounds=1)


class Place:
    """Where beds are made, one after the other, and taken away again."""

    def __init__(self, folder: Path, tools: Tools, plan: Plan, stack: ExitStack) -> None:
        self.plan = plan
        self._folder = folder
        self._tools = tools
        self._stack = stack
        self._beds = 0

    def bed(self) -> Bed:
        """A new store, mounted; it is taken away at the end, whatever happens."""
        self._beds += 1
        bed = Bed(self._folder / str(self._beds), 0, self._tools)
        self._stack.callback(bed.stop)
        bed.start()
        return bed

    def fastest(self, measure: Callable[[], float]) -> float:
        """The best over the plan's rounds: what else goes on only makes it slower."""
        return max(measure() for _ in range(self.plan.rounds))


def milliseconds(*seconds: float) -> float:
    """The median of times, as the tables show it."""
    return median(seconds) * 1000


def extent(size: int) -> str:
    """Bytes as one reads them."""
    for unit, name in ((TIB, "TiB"), (GIB, "GiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size // MIB} MiB"
