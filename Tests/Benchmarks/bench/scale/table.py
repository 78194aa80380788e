"""A table of one section: a row for each size of the work, and the ratios of its ends."""

from dataclasses import asdict, dataclass, field

from ..report import markdown_table, number

FLAT = 1.5
"""Ratios up to this, and down to its inverse, are the machine's noise."""


@dataclass
class Table:
    """What grows, and what that cost."""

    title: str
    work: str
    """What the rows are sizes of."""
    text: str
    rows: list[tuple[str, dict[str, float]]] = field(default_factory=list)

    def add(self, size: str, figures: dict[str, float]) -> None:
        """Takes in the figures of one size, by name and unit, in the order of the columns."""
        self.rows.append((size, figures))

    def raw(self) -> dict[str, object]:
        """Everything, for scale.json."""
        return {**asdict(self), "ratios": self.ratios(),
                "rows": [{"size": size, **figures} for size, figures in self.rows]}

    def ratios(self) -> dict[str, float]:
        """Every figure of the largest size in proportion to that of the smallest that has it."""
        ratios = {}
        for name in self._columns():
            having = self._having(name)
            if len(having) > 1 and having[-1] == self.rows[-1]:
                ratios[name] = having[-1][1][name] / having[0][1][name]
        return ratios

    def markdown(self) -> str:
        """The table, and what its ends come to."""
        columns = self._columns()
        rows = [[size, *(number(figures.get(name)) for name in columns)]
                for size, figures in self.rows]
        return "\n\n".join([f"*{self.title}*", self.text,
                            markdown_table([self.work, *columns], rows), self._conclusion()])

    def _conclusion(self) -> str:
        ratios = self.ratios()
        kinds = {"flat": [name for name, ratio in ratios.items() if _is_flat(ratio)],
                 "not flat": [name for name, ratio in ratios.items() if not _is_flat(ratio)]}
        parts = [f"{kind}: {', '.join(self._say(name, ratios[name]) for name in names)}"
                 for kind, names in kinds.items() if names]
        return f"{self.rows[-1][0]} / {self.rows[0][0]}: {'; '.join(parts)}."

    def _say(self, name: str, ratio: float) -> str:
        """A ratio, with where it begins if not at the top, and what lies far off between."""
        first, *between, _ = self._having(name)
        notes = [] if first == self.rows[0] else [f"from {first[0]}"]
        low, high = sorted((1, ratio))
        off = [(each, size) for size, figures in between
               if not low / FLAT <= (each := figures[name] / first[1][name]) <= high * FLAT]
        if off:
            each, size = max(off, key=lambda pair: max(pair[0], 1 / pair[0]))
            notes.append(f"{_times(each)} at {size}")
        note = f" ({', '.join(notes)})" if notes else ""
        return f"{name.partition(',')[0]} {_times(ratio)}{note}"

    def _having(self, name: str) -> list[tuple[str, dict[str, float]]]:
        """The rows with that figure, other than 0."""
        return [row for row in self.rows if row[1].get(name)]

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for _, figures in self.rows for name in figures))


def _is_flat(ratio: float) -> bool:
    return 1 / FLAT <= ratio <= FLAT


def _times(ratio: float) -> str:
    return f"×{number(ratio)}"
