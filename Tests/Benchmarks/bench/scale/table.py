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
            values = [figures[name] for _, figures in self.rows if figures.get(name)]
            if len(values) > 1:
                ratios[name] = values[-1] / values[0]
        return ratios

    def markdown(self) -> str:
        """The table, and what its ends come to."""
        columns = self._columns()
        rows = [[size, *(number(figures.get(name)) for name in columns)]
                for size, figures in self.rows]
        return "\n\n".join([f"*{self.title}*", self.text,
                            markdown_table([self.work, *columns], rows), self._conclusion()])

    def _conclusion(self) -> str:
        ratios = {name.partition(",")[0]: ratio for name, ratio in self.ratios().items()}
        flat = [f"{name} {_times(ratio)}" for name, ratio in ratios.items() if _is_flat(ratio)]
        rest = [f"{name} {_times(ratio)}" for name, ratio in ratios.items()
                if not _is_flat(ratio)]
        parts = [f"{kind}: {', '.join(those)}" for kind, those in
                 (("flat", flat), ("not flat", rest)) if those]
        return f"{self.rows[-1][0]} / {self.rows[0][0]}: {'; '.join(parts)}."

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for _, figures in self.rows for name in figures))


def _is_flat(ratio: float) -> bool:
    return 1 / FLAT <= ratio <= FLAT


def _times(ratio: float) -> str:
    return f"×{number(ratio)}"
