"""Figures as a table, on the screen and in docs/performance.md."""

from __future__ import annotations

import datetime
import os
import pathlib
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.load import Figures

DOCUMENT = pathlib.Path(__file__).parent.parent / "docs" / "performance.md"
MARK = "<!-- figures: written by `python -m {} --write` -->"
BEGIN, END = MARK.format("bench"), "<!-- end of figures -->"


@dataclass
class Measured:
    """An operation's rounds, each with the rate that the bare server reached beside it."""

    name: str
    target: float
    rounds: list[tuple[Figures, float]] = field(default_factory=list)

    def cells(self) -> list[str]:
        """The row of the table. Medians of the rounds, since one round may meet something else on the machine."""
        figures = [one for one, _ in self.rounds]
        median = lambda values: statistics.median(list(values))  # noqa: E731
        share = median(one.rate / bare for one, bare in self.rounds)
        errors = sum(one.errors for one in figures)
        return [
            self.name + (f" ({errors} errors!)" if errors else ""),
            f"{median(one.rate for one in figures):,.0f}/s",
            f"{median(one.p50 for one in figures):.2f} ms",
            f"{median(one.p99 for one in figures):.2f} ms",
            f"{median(one.cpu_us for one in figures):.0f} µs",
            f"{share:.2f}",
            f"{self.target:.2f}" if self.target else "",
        ]


HEAD = ["operation", "rate", "p50", "p99", "server CPU", "share of bare", "at least"]


def table(rows: Sequence[Measured]) -> str:
    """A Markdown table that also reads well as it is."""
    cells = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEAD))]
    pad = lambda line: "| " + " | ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)) + " |"  # noqa: E731
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([pad(cells[0]), rule, *(pad(line) for line in cells[1:])])


def machine() -> str:
    """What it ran on."""
    info = pathlib.Path("/proc/cpuinfo").read_text() if pathlib.Path("/proc/cpuinfo").exists() else ""
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "")
    return f"{os.cpu_count()} x {model or platform.machine()}, Python {platform.python_version()}"


def write(text: str, *, begin: str = BEGIN, document: pathlib.Path | None = None) -> None:
    """Put figures in their place in a document, from the line `begin` on."""
    document = document or DOCUMENT
    before, _, rest = document.read_text().partition(begin)
    _, _, after = rest.partition(END)
    today = datetime.datetime.now(datetime.UTC).date()
    document.write_text(f"{before}{begin}\n\n{today}, {machine()}.\n\n{text}\n\n{END}{after}")
