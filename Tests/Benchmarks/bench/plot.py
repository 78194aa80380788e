"""The ratios as a picture."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend is chosen before)

from .report import Report  # noqa: E402

BASE = "fuse"
LIMIT = 2.5
"""Longer bars are cut, with their value beside them: a file in memory would dwarf the rest."""


def draw(report: Report, path: Path) -> None:
    """One group of bars a job: every subject's speed in proportion to the least FUSE server's."""
    subjects = [subject for subject in report.subjects if subject != BASE]
    jobs = report.jobs
    height = 0.8 / len(subjects)
    figure, axes = pyplot.subplots(
        figsize=(10, 1 + 0.11 * len(jobs) * (len(subjects) + 1)), layout="constrained")
    colours = pyplot.get_cmap("tab10")
    for index, subject in enumerate(subjects):
        ratios = [report.ratio(job, subject, BASE) or 0 for job in jobs]
        places = [row - 0.4 + (index + 0.5) * height for row in range(len(jobs))]
        bars = axes.barh(places, [min(ratio, LIMIT) for ratio in ratios], height,
                         label=subject, color=colours(index))
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], fontsize=6, padding=2)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(jobs)), [f"{job.group}: {job.name}" for job in jobs], fontsize=8)
    axes.set_ylim(len(jobs) - 0.5, -0.5)
    axes.set_xlim(0, LIMIT * 1.08)
    axes.set_xlabel(f"speed in proportion to {BASE} (a FUSE server that does nothing more)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(subjects), fontsize=8)
    figure.savefig(path)
    pyplot.close(figure)
