"""Medians, ratios and tables."""

from dataclasses import asdict
from statistics import median
from typing import Callable, Sequence

from .jobs import MEASURES_TIME, TITLES, Job
from .measure import Figure
from .subjects import ALL

SUBJECT = "encrypted"
BASES = ("fuse", "gcm", "plain")


class Report:
    """The figures of one run, and what they come to."""

    def __init__(self, parameters: dict[str, object], subjects: Sequence[str],
                 jobs: Sequence[Job]) -> None:
        self._parameters = parameters
        self.subjects = subjects
        self.jobs = jobs
        self._figures: list[Figure] = []

    def add(self, figure: Figure) -> None:
        """Takes in one measurement."""
        self._figures.append(figure)

    def raw(self) -> dict[str, object]:
        """Everything, for results.json."""
        return {**self._parameters, "figures": [asdict(figure) for figure in self._figures]}

    def median(self, job: Job, subject: str,
               of: Callable[[Figure], float | None]) -> float | None:
        """The median over the rounds; none if there is nothing."""
        values = [
            value for figure in self._figures
            if (figure.group, figure.job, figure.subject) == (job.group, job.name, subject)
            and (value := of(figure)) is not None
        ]
        return median(values) if values else None

    def ratio(self, job: Job, subject: str, base: str) -> float | None:
        """How fast a subject is in proportion to another; above 1 is faster."""
        ours, theirs = (self.median(job, each, lambda figure: figure.value)
                        for each in (subject, base))
        if not ours or not theirs:
            return None
        return theirs / ours if job.unit == MEASURES_TIME else ours / theirs

    def best_peer(self, job: Job) -> str | None:
        """The fastest other program that encrypts."""
        peers = [subject for subject in self.subjects if ALL[subject].is_peer]
        return min(peers, key=lambda peer: self.ratio(job, SUBJECT, peer) or 0, default=None)

    def markdown(self) -> str:
        """All of it as text."""
        parts = ["# Benchmarks", self._introduction()]
        for group in dict.fromkeys(job.group for job in self.jobs):
            jobs = [job for job in self.jobs if job.group == group]
            parts += [f"## {TITLES[group]}", self._speeds(jobs)]
            if any(self._cell(job, each, _latencies) != "" for job in jobs
                   for each in self.subjects):
                parts += ["Latency, median / 99th percentile, µs:",
                          self._table(jobs, _latencies)]
            parts += ["Processor time of the server, µs an operation:", self._table(jobs, _costs)]
        disturbed = [figure for figure in self._figures if figure.repeated]
        parts.append(f"{len(disturbed)} of {len(self._figures)} measurements were made twice, "
                     "because the host took more than 5 % of the time.")
        return "\n\n".join(parts) + "\n"

    def _introduction(self) -> str:
        facts = "; ".join(f"{name.replace('_', ' ')}: {value}"
                          for name, value in self._parameters.items())
        notes = "\n".join(f"- `{name}`: {ALL[name].note}" for name in self.subjects)
        return (f"{facts}.\n\n{notes}\n\nMedians over the rounds. A ratio above 1.00 says that "
                f"`{SUBJECT}` is the faster one.")

    def _speeds(self, jobs: Sequence[Job]) -> str:
        bases = [base for base in BASES
                 if base in self.subjects and SUBJECT in self.subjects]
        heads = [*self.subjects, *(f"{SUBJECT} / {base}" for base in bases)]
        has_peers = SUBJECT in self.subjects and any(
            ALL[subject].is_peer for subject in self.subjects)
        if has_peers:
            heads.append(f"{SUBJECT} / fastest peer")
        rows = []
        for job in jobs:
            cells = [number(self.median(job, each, lambda figure: figure.value))
                     for each in self.subjects]
            cells += [_ratio(self.ratio(job, SUBJECT, base)) for base in bases]
            if has_peers:
                peer = self.best_peer(job)
                cells.append(f"{_ratio(self.ratio(job, SUBJECT, peer))} ({peer})")
            rows.append([f"{job.name} ({job.unit})", *cells])
        return markdown_table(["job", *heads], rows)

    def _table(self, jobs: Sequence[Job], columns: "Columns") -> str:
        rows = [[job.name, *(self._cell(job, each, columns) for each in self.subjects)]
                for job in jobs]
        return markdown_table(["job", *self.subjects], rows)

    def _cell(self, job: Job, subject: str, columns: "Columns") -> str:
        values = [self.median(job, subject, column) for column in columns]
        return " / ".join(number(value) for value in values if value is not None)


Columns = Sequence[Callable[[Figure], float | None]]
_latencies: Columns = (lambda figure: figure.p50_us, lambda figure: figure.p99_us)
_costs: Columns = (lambda figure: figure.cpu_us_per_operation,)


def number(value: float | None) -> str:
    """Three digits of a figure."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are figures."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
